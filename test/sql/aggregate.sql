--
-- aggregate.sql
--		Aggregates without rows, as EXPLAIN shows them.
--
\set demo :data '/demo'
SELECT create_collection('coll', ARRAY[:'demo']);

EXPLAIN (COSTS OFF) SELECT count(*) FROM coll;
EXPLAIN (COSTS OFF) SELECT cell_type, sex, count(*), avg(n_counts) FROM coll GROUP BY 1, 2;
EXPLAIN (COSTS OFF) SELECT cell_type FROM coll GROUP BY 1 HAVING count(*) > 300 ORDER BY max(age) DESC LIMIT 3;
EXPLAIN (COSTS OFF) SELECT DISTINCT donor_id FROM coll;
EXPLAIN (COSTS OFF) SELECT file_index, count(*) FILTER (WHERE age > 40), count(DISTINCT donor_id) FROM coll
	WHERE sex = 'male' AND row_index < 3000 AND file_index > 0 AND n_counts % 2 = 0 GROUP BY 1;
EXPLAIN (COSTS OFF, VERBOSE) SELECT upper(c.sex), count(*) FILTER (WHERE c.age > 40) + 1 FROM coll c
	WHERE c.cell_type LIKE '%cell' GROUP BY c.sex;
EXPLAIN (COSTS OFF) SELECT s, (SELECT count(*) FROM coll WHERE sex = s AND row_index >= v.r) FROM (VALUES ('male', 3)) AS v (s, r);
EXPLAIN (COSTS OFF) SELECT count(*) FROM coll WHERE row_index = ANY (ARRAY[1, 2]) AND age > (SELECT 3);
PREPARE p (text) AS SELECT count(*) FROM coll WHERE cell_type = $1;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE p ('B cell');
RESET plan_cache_mode;
-- by the counts of the files, by rows, and with files that have none
EXPLAIN (COSTS OFF, ANALYZE, TIMING OFF, SUMMARY OFF) SELECT count(*) FROM coll;
EXPLAIN (COSTS OFF, ANALYZE, TIMING OFF, SUMMARY OFF) SELECT cell_type, count(*) FROM coll GROUP BY 1;
EXPLAIN (COSTS OFF, ANALYZE, TIMING OFF, SUMMARY OFF) SELECT cell_type, max(age) FROM coll GROUP BY 1 HAVING max(age) > 60;
EXPLAIN (COSTS OFF, ANALYZE, TIMING OFF, SUMMARY OFF) SELECT count(*) FROM coll WHERE file_index = 2;
EXPLAIN (COSTS OFF, ANALYZE, TIMING OFF, SUMMARY OFF) SELECT count(*) FROM coll WHERE sex IS NULL;
EXPLAIN (COSTS OFF, ANALYZE, TIMING OFF, SUMMARY OFF, FORMAT JSON) SELECT sex, count(*) FROM coll WHERE age > 40 GROUP BY 1;
-- with rows
EXPLAIN (COSTS OFF) SELECT upper(sex), count(*) FROM coll GROUP BY 1;
EXPLAIN (COSTS OFF) SELECT count(*) FROM coll WHERE x IS NOT NULL;
SET mappedcoll.enable_pushdown = off;
EXPLAIN (COSTS OFF) SELECT sex, count(*) FROM coll GROUP BY 1;
RESET mappedcoll.enable_pushdown;
DROP TABLE coll;
