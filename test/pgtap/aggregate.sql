--
-- aggregate.sql
--		Aggregates that are computed without rows: what they give is what the
--		executor gives from rows, errors included.
--
BEGIN;
SELECT no_plan();
SET client_min_messages = warning;
SELECT create_collection('demo', ARRAY[:'data' || '/demo']);
SELECT create_collection('mixed', ARRAY(SELECT :'data' || '/h5ad/' || f || '.h5ad' FROM unnest(ARRAY[
	'columns_of_all_writers', 'numbers_of_all_types', 'nullable', 'zero_cells', 'categories_of_all_types',
	'strings_of_all_kinds', 'raw_categories', 'nullable_beyond_bigint']) AS f), var_join => 'outer');
SELECT create_collection('nothing', ARRAY[:'data' || '/h5ad/zero_cells.h5ad']);
-- by sorting, equal floats would be added in another order
SET enable_sort = off;
SET jit = off;
SET max_parallel_workers_per_gather = 0;

-- The result of a query, its rows in the order of the query or sorted, or its
-- error; as_is: in its order.
CREATE FUNCTION answer(query text, as_is boolean) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format('SELECT count(*) || '' rows: '' || coalesce(string_agg(q::text, '','' %s), '''') FROM (%s) AS q',
		CASE WHEN as_is THEN '' ELSE 'ORDER BY q::text COLLATE "C"' END, query) INTO result;
	RETURN result;
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
-- Is the query, or a part of it, planned without rows?
CREATE FUNCTION uses_node(query text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		IF line LIKE '%mappedcoll aggregate%' THEN
			RETURN true;
		END IF;
	END LOOP;
	RETURN false;
END $$;
-- Are the answers with push-down and without the same?  'same', or both.
CREATE FUNCTION compared(query text, as_is boolean DEFAULT false) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	pushed text;
	plain text;
BEGIN
	SET LOCAL mappedcoll.enable_pushdown = on;
	pushed := answer(query, as_is);
	SET LOCAL mappedcoll.enable_pushdown = off;
	plain := answer(query, as_is);
	SET LOCAL mappedcoll.enable_pushdown = on;
	RETURN CASE WHEN pushed = plain THEN 'same' ELSE left(pushed, 2000) || ' instead of ' || left(plain, 2000) END;
END $$;

-- every column as a key and as an argument, alone and beside others
CREATE TEMP TABLE columns AS
	SELECT attrelid::regclass AS coll, quote_ident(attname) AS name, atttypid::regtype AS type
	FROM pg_attribute WHERE attrelid IN ('demo'::regclass, 'mixed'::regclass) AND attnum > 0
		AND atttypid IN ('text'::regtype, 'boolean'::regtype, 'bigint'::regtype, 'integer'::regtype, 'double precision'::regtype);
CREATE TEMP TABLE generated AS
	SELECT format('SELECT %s, count(*) FROM %s GROUP BY 1', name, coll) AS query,
		type <> 'double precision'::regtype AND name <> 'row_index' AS node FROM columns
	UNION ALL
	SELECT format('SELECT DISTINCT %s FROM %s', name, coll), type <> 'double precision'::regtype AND name <> 'row_index' FROM columns
	UNION ALL
	SELECT format('SELECT count(%1$s), count(DISTINCT %1$s) FROM %2$s', name, coll), true FROM columns
	UNION ALL
	SELECT format('SELECT %s, count(*), count(DISTINCT %s), count(%2$s), %s FROM %s GROUP BY 1', k.name, a.name,
		CASE a.type WHEN 'text'::regtype THEN format('min(%1$s), max(%1$s)', a.name)
			WHEN 'boolean'::regtype THEN format('bool_and(%1$s), bool_or(%1$s), every(%1$s)', a.name)
			ELSE format('min(%1$s), max(%1$s), sum(%1$s)', a.name) END, k.coll),
		k.type <> 'double precision'::regtype AND k.name <> 'row_index'
	FROM columns k JOIN columns a USING (coll)
	WHERE k.coll = 'demo'::regclass OR k.name IN ('file_index', 'one', 'bool', 'i8')
	UNION ALL
	SELECT format('SELECT avg(%s) FROM %s', name, coll), true FROM columns WHERE type IN ('bigint', 'integer', 'double precision')
	UNION ALL
	SELECT format('SELECT file_index, avg(%1$s), sum(%1$s), min(%1$s), max(%1$s) FROM %2$s GROUP BY 1', name, coll), true
	FROM columns WHERE type IN ('bigint', 'integer', 'double precision')
	UNION ALL
	SELECT format('SELECT %s, %s, count(*) FROM %s GROUP BY 1, 2', a.name, b.name, a.coll),
		NOT 'double precision'::regtype IN (a.type, b.type) AND NOT 'row_index' IN (a.name, b.name)
	FROM columns a JOIN columns b USING (coll) WHERE a.coll = 'demo'::regclass AND a.name < b.name
	UNION ALL
	SELECT format('SELECT count(*) FILTER (WHERE %1$s IS NULL), count(*) FILTER (WHERE %1$s IS NOT NULL) FROM %2$s', name, coll), true FROM columns;
SELECT ok((SELECT count(*) FROM generated) > 500, 'enough queries are generated');
SELECT is((SELECT array_agg(query || ': ' || result) FROM (SELECT query, compared(query) AS result FROM generated) AS c WHERE result <> 'same'),
	NULL, 'aggregates of each column by each column');
SELECT is((SELECT array_agg(query) FROM generated WHERE uses_node(query) <> node), NULL, 'those that can be computed without rows are');

-- queries of all kinds; node: whether any part is computed without rows
CREATE TEMP TABLE queries (node boolean, query text);
INSERT INTO queries VALUES
	(true, 'SELECT cell_type, sex, count(*), avg(n_counts), avg(percent_mito) FROM demo GROUP BY 1, 2'),
	(true, 'SELECT count(*) FROM demo'),
	(true, 'SELECT count(*) FROM demo_h5ad'),
	(true, 'SELECT sex, count(*) FROM demo_h5ad GROUP BY sex'),
	(true, 'SELECT count(*), count(1), count(row_index), count(obs_name), count(file_index), count(DISTINCT row_index) FROM demo'),
	(true, 'SELECT FROM demo GROUP BY sex'),
	(true, 'SELECT 1 FROM demo GROUP BY sex, cell_type'),
	(true, 'SELECT count(*) FROM demo GROUP BY cell_type'),
	(true, 'SELECT sex AS a, sex AS b, upper(sex) || count(*), sex IS NULL FROM demo GROUP BY sex'),
	(true, 'SELECT sex, 7, count(*) FROM demo GROUP BY 1, 2'),
	(true, 'SELECT sex, count(*) FROM demo GROUP BY sex, sex'),
	(true, 'SELECT sex, age, is_doublet, donor_id, file_index, count(*), sum(n_counts) FROM demo GROUP BY 1, 2, 3, 4, 5'),
	(true, 'SELECT obs_name, count(*) FROM demo GROUP BY 1'),
	(true, 'SELECT obs_name, file_index, count(*), max(percent_mito) FROM demo GROUP BY 1, 2'),
	-- WHERE
	(true, 'SELECT cell_type, count(*) FROM demo WHERE sex = ''female'' GROUP BY 1'),
	(true, 'SELECT cell_type, count(*) FROM demo WHERE sex IS NULL AND age IS NULL GROUP BY 1'),
	(true, 'SELECT cell_type, sum(percent_mito) FROM demo WHERE age BETWEEN 30 AND 50 OR donor_id LIKE ''%7'' GROUP BY 1'),
	(true, 'SELECT count(*) FROM demo WHERE row_index < 5000 AND row_index >= 17'),
	(true, 'SELECT count(*), min(row_index), max(row_index), sum(row_index), avg(row_index) FROM demo WHERE row_index = ANY (''{5,6,7,900,3199,3200,-1}'')'),
	(true, 'SELECT sex, min(obs_name) FROM demo WHERE file_index = 1 AND cell_type <> ''B cell'' GROUP BY 1'),
	(true, 'SELECT sex, count(*) FROM demo WHERE row_index % 7 = 3 GROUP BY 1'),
	(true, 'SELECT sex, count(*) FROM demo WHERE n_counts > age * 10 GROUP BY 1'),
	(true, 'SELECT sex, count(*) FROM demo WHERE length(obs_name) % 2 = 0 AND cell_type ~ ''^[A-M]'' GROUP BY 1'),
	(true, 'SELECT count(*) FROM demo WHERE is_doublet IS NOT TRUE'),
	(true, 'SELECT count(*) FROM demo WHERE cell_type = (SELECT max(cell_type) FROM demo)'),
	(true, 'SELECT sex, count(*) FROM demo WHERE percent_mito > (SELECT avg(n_counts) FROM demo WHERE sex = ''male'') / 100 GROUP BY 1'),
	(false, 'SELECT count(*) FROM demo WHERE random() < 2'),
	(false, 'SELECT count(*) FROM demo WHERE length(x) > 0'),
	(NULL, 'SELECT count(*) FROM demo WHERE cell_type IN (SELECT DISTINCT cell_type FROM demo WHERE sex = ''female'')'),
	(NULL, 'SELECT count(*) FROM demo WHERE false'),
	(NULL, 'SELECT sex, count(*) FROM demo WHERE false GROUP BY 1'),
	-- no rows
	(true, 'SELECT count(*), sum(n_counts), avg(n_counts), min(sex), max(sex), bool_and(is_doublet), bool_or(is_doublet), count(DISTINCT sex), avg(percent_mito), sum(percent_mito), min(percent_mito), min(age), sum(file_index) FROM demo WHERE sex = ''none of these'''),
	(true, 'SELECT sex, count(*) FROM demo WHERE age > 1000 GROUP BY 1'),
	(NULL, 'SELECT 3, count(*) FROM demo WHERE age > 1000 GROUP BY 1'),
	(true, 'SELECT 3, count(*) FROM demo WHERE age > 30 GROUP BY 1'),
	(true, 'SELECT count(*) FROM nothing'),
	(true, 'SELECT file_index, count(*) FROM nothing GROUP BY 1'),
	(true, 'SELECT DISTINCT file_index FROM nothing'),
	(true, 'SELECT max(obs_name), min(row_index) FROM nothing'),
	-- FILTER
	(true, 'SELECT sex, count(*) FILTER (WHERE age > 40), avg(percent_mito) FILTER (WHERE age > 40), sum(n_counts) FILTER (WHERE is_doublet AND cell_type = ''B cell''), count(DISTINCT donor_id) FILTER (WHERE percent_mito < 5), max(cell_type) FILTER (WHERE false) FROM demo WHERE file_index <> 1 GROUP BY 1'),
	(true, 'SELECT count(*) FILTER (WHERE row_index < 100) AS a, count(*) FILTER (WHERE true) AS b, min(age) FILTER (WHERE sex IS NULL) FROM demo'),
	(false, 'SELECT count(*) FILTER (WHERE random() < 2) FROM demo'),
	-- HAVING
	(true, 'SELECT cell_type, count(*) FROM demo GROUP BY 1 HAVING count(*) > 200'),
	(true, 'SELECT cell_type FROM demo GROUP BY 1 HAVING max(percent_mito) <> ''NaN'' OR bool_or(is_doublet)'),
	(true, 'SELECT sex FROM demo GROUP BY 1 HAVING sex > ''g'' AND count(DISTINCT donor_id) > (SELECT 2)'),
	(true, 'SELECT count(*) FROM demo HAVING count(*) > 5'),
	(true, 'SELECT count(*) FROM demo HAVING count(*) < 5'),
	(NULL, 'SELECT 1 FROM demo HAVING true'),
	-- DISTINCT
	(true, 'SELECT DISTINCT sex FROM demo'),
	(true, 'SELECT DISTINCT sex, cell_type, file_index FROM demo WHERE age > 30'),
	(true, 'SELECT DISTINCT sex, 5 AS five FROM demo'),
	(true, 'SELECT DISTINCT age % 10, sex FROM demo GROUP BY age, sex'),
	(true, 'SELECT DISTINCT sex FROM demo GROUP BY sex, age'),
	(false, 'SELECT DISTINCT upper(sex) FROM demo'),
	(false, 'SELECT DISTINCT percent_mito FROM demo'),
	(false, 'SELECT DISTINCT sex, random() < 2 FROM demo'),
	-- what stays with rows
	(false, 'SELECT upper(sex), count(*) FROM demo GROUP BY 1'),
	(false, 'SELECT sex, count(*) FROM demo GROUP BY ROLLUP (sex)'),
	(false, 'SELECT sex, cell_type, count(*), GROUPING(sex) FROM demo GROUP BY GROUPING SETS ((sex), (cell_type), ())'),
	(false, 'SELECT sex, GROUPING(sex) FROM demo GROUP BY sex'),
	(false, 'SELECT sex, sum(n_counts + 1) FROM demo GROUP BY 1'),
	(false, 'SELECT sex, sum(DISTINCT n_counts) FROM demo GROUP BY 1'),
	(false, 'SELECT sex, string_agg(DISTINCT cell_type, '','' ORDER BY cell_type) FROM demo GROUP BY 1'),
	(false, 'SELECT sex, stddev(percent_mito) FROM demo WHERE percent_mito < 5 GROUP BY 1'),
	(false, 'SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY n_counts) FROM demo'),
	(false, 'SELECT demo, count(*) FROM (SELECT sex, age FROM demo) AS demo GROUP BY 1'),
	(false, 'SELECT count(demo) FROM demo'),
	(false, 'SELECT count(x) FROM demo'),
	(false, 'SELECT min(cell_type COLLATE "C") FROM demo GROUP BY sex COLLATE "C"'),
	(false, 'SELECT count(*) FROM demo TABLESAMPLE bernoulli (10) REPEATABLE (1)'),
	(false, 'SELECT sex, count(*) FROM demo TABLESAMPLE weighted (''sex'') REPEATABLE (1) GROUP BY 1'),
	(false, 'SELECT sex, unnest(ARRAY[1, 2]), count(*) FROM demo GROUP BY 1'),
	(false, 'SELECT a.sex, count(*) FROM demo a JOIN demo b USING (row_index) GROUP BY 1'),
	-- around it
	(true, 'SELECT sex, (SELECT count(*) FROM demo c WHERE c.sex = d.sex AND c.age > 40) FROM (VALUES (''female''), (''male''), (NULL)) AS d (sex)'),
	(true, 'SELECT d.i, l.* FROM generate_series(-1, 3) AS d (i), LATERAL (SELECT cell_type, count(*) AS n, max(percent_mito) AS m FROM demo WHERE file_index = d.i GROUP BY 1) AS l'),
	(true, 'SELECT d.i, l.* FROM generate_series(0, 3000, 700) AS d (i), LATERAL (SELECT count(*) FILTER (WHERE age > d.i / 60) AS n FROM demo WHERE row_index < d.i) AS l'),
	(true, 'SELECT d.i, (SELECT count(*) FROM demo WHERE n_counts > d.i OR cell_type = d.i::text) FROM generate_series(200, 300, 20) AS d (i)'),
	(true, 'WITH c AS MATERIALIZED (SELECT cell_type, count(*) AS n FROM demo GROUP BY 1) SELECT a.cell_type, a.n, b.n FROM c a JOIN c b USING (cell_type)'),
	(true, 'SELECT sex, n FROM (SELECT sex, count(*) AS n FROM demo GROUP BY 1) AS s WHERE n > 3 AND sex < ''n'''),
	(true, 'SELECT sex, count(*) FROM demo GROUP BY 1 UNION ALL SELECT chemistry, count(*) FROM demo GROUP BY 1'),
	(true, 'SELECT sex FROM demo GROUP BY 1 EXCEPT SELECT ''male'''),
	(true, 'SELECT count(*) FROM (SELECT DISTINCT sex, age FROM demo) AS s'),
	(true, 'SELECT a.sex, a.n, b.n FROM (SELECT sex, count(*) AS n FROM demo GROUP BY 1) AS a LEFT JOIN (SELECT sex, avg(age) AS n FROM demo GROUP BY 1) AS b ON a.sex = b.sex'),
	(true, 'SELECT sex, count(*), rank() OVER (ORDER BY count(*) DESC), sum(count(*)) OVER () FROM demo GROUP BY 1'),
	(true, 'SELECT sex, EXISTS (SELECT FROM pg_class WHERE relname = demo.sex), count(*) FROM demo GROUP BY 1'),
	(true, 'SELECT ARRAY(SELECT DISTINCT cell_type FROM demo WHERE sex = s ORDER BY 1) FROM unnest(ARRAY[''male'', ''female'']) AS s'),
	(true, 'SELECT (SELECT sum(c.n_counts) FROM demo c WHERE c.file_index = ANY (d.a)) FROM (VALUES (''{0,1}''::int[]), (''{}''), (NULL), (''{2,NULL}'')) AS d (a)');
SELECT is(compared(query), 'same', query) FROM queries;
SELECT is(uses_node(query), node, CASE WHEN node THEN 'without rows: ' ELSE 'with rows: ' END || query) FROM queries WHERE node IS NOT NULL;
SET plan_cache_mode = force_generic_plan;
SELECT is(compared(query), 'same', 'by generic plans: ' || query) FROM queries;
RESET plan_cache_mode;

-- in the order of the query
SELECT is(compared(query, true), 'same', query) FROM unnest(ARRAY[
	'SELECT cell_type, count(*) FROM demo GROUP BY 1 ORDER BY 2 DESC, 1',
	'SELECT cell_type, sex, count(*) FROM demo GROUP BY 1, 2 ORDER BY 1 COLLATE "C" DESC NULLS LAST, upper(sex) LIMIT 5 OFFSET 2',
	'SELECT DISTINCT donor_id, sex FROM demo ORDER BY 2 DESC, 1 LIMIT 7',
	'SELECT sex FROM demo GROUP BY 1 ORDER BY avg(percent_mito), max(age), count(*) DESC, sex',
	'SELECT file_index, min(cell_type), max(cell_type) FROM demo GROUP BY 1 ORDER BY 1']) AS query;
RESET enable_sort;

-- errors of sums are PostgreSQL's
SELECT throws_ok('SELECT avg(f64be) FROM mixed', '22003', 'value out of range: overflow', 'a mean of floats that overflows');
SELECT lives_ok('SELECT avg(f64be) FROM mixed WHERE f64be < 1e100', 'the same without what is too large');
SELECT is((SELECT sum(i64)::text || ' ' || avg(i64) FROM mixed WHERE i64 > 0), '9223372036854775808 4611686018427387904', 'sums beyond bigint are numeric');
SELECT is((SELECT sum(i64) FROM mixed WHERE i64 <> 0 AND i64 <> 1), -1::numeric, 'ends of bigint');

-- off means off
SET mappedcoll.enable_pushdown = off;
SELECT is((SELECT count(*) FROM queries WHERE uses_node(query)), 0::bigint, 'with enable_pushdown off, everything is made from rows');
RESET mappedcoll.enable_pushdown;

-- collations: equal is what the collation calls equal
CREATE COLLATION any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
\set file :data '/demo/pbmc_site_a.h5ad'
CREATE FOREIGN TABLE caseless (row_index bigint, sex text COLLATE any_case, cell_type text COLLATE "C", age bigint) SERVER mappedcoll
	OPTIONS (files :'file');
SELECT is(uses_node('SELECT sex, count(*) FROM caseless GROUP BY 1'), false, 'no groups of texts that are equal by collation alone');
SELECT is(uses_node('SELECT min(sex) FROM caseless'), false, 'no least text of them');
SELECT is(uses_node('SELECT count(DISTINCT sex) FROM caseless'), false, 'no count of them');
SELECT is(uses_node('SELECT count(sex), min(cell_type) FROM caseless'), true, 'but what does not compare them');
SELECT is(compared('SELECT cell_type, min(cell_type), max(cell_type), count(sex) FROM caseless GROUP BY 1'), 'same', 'texts of collation "C"');
SELECT is(compared('SELECT min(cell_type COLLATE "en-x-icu"), max(cell_type) FROM caseless'), 'same', 'another collation');
-- columns of other types
CREATE FOREIGN TABLE typed (age int, n_counts numeric, sex varchar, cell_type name, is_doublet text, percent_mito real) SERVER mappedcoll
	OPTIONS (files :'file');
SELECT is(compared(format('SELECT %1$s, count(*), min(%1$s), count(%1$s) FROM typed GROUP BY 1', c)), 'same', c || ' of another type')
FROM unnest(ARRAY['age', 'n_counts', 'sex', 'cell_type', 'is_doublet', 'percent_mito']) AS c;

-- parameters, cursors, plans that are kept
PREPARE by_type (text, int) AS SELECT sex, count(*) AS n, count(*) FILTER (WHERE age > $2) AS old FROM demo WHERE cell_type = $1 GROUP BY 1 ORDER BY 1;
SET plan_cache_mode = force_generic_plan;
SELECT set_eq($$EXECUTE by_type ('B cell', 40)$$, $$SELECT sex, count(*) AS n, count(*) FILTER (WHERE age > 40) AS old FROM (SELECT * FROM demo OFFSET 0) AS d WHERE cell_type = 'B cell' GROUP BY 1$$, 'parameters');
SELECT set_eq($$EXECUTE by_type ('NK cell', 60)$$, $$SELECT sex, count(*) AS n, count(*) FILTER (WHERE age > 60) AS old FROM (SELECT * FROM demo OFFSET 0) AS d WHERE cell_type = 'NK cell' GROUP BY 1$$, 'the same plan with others');
SELECT is_empty($$EXECUTE by_type (NULL, NULL)$$, 'and with NULL');
RESET plan_cache_mode;
CREATE TEMP TABLE fetched (pass int, cell_type text, n bigint);
CREATE FUNCTION fetch_all(pass int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	c SCROLL CURSOR FOR SELECT cell_type, count(*) AS n FROM demo GROUP BY 1;
	r record;
BEGIN
	OPEN c;
	FETCH c INTO r;
	MOVE ABSOLUTE 0 FROM c;
	LOOP
		FETCH c INTO r;
		EXIT WHEN NOT FOUND;
		INSERT INTO fetched VALUES (pass, r.cell_type, r.n);
	END LOOP;
	MOVE ABSOLUTE 0 FROM c;
	FETCH RELATIVE 3 FROM c INTO r;
	INSERT INTO fetched VALUES (-pass, r.cell_type, r.n);
	CLOSE c;
END $$;
SELECT fetch_all(1);
SELECT set_eq('SELECT cell_type, n FROM fetched WHERE pass = 1', 'SELECT cell_type, count(*) FROM demo GROUP BY 1', 'a cursor, rewound');
SELECT is((SELECT count(*) FROM fetched f JOIN fetched g USING (cell_type, n) WHERE f.pass = -1 AND g.pass = 1), 1::bigint, 'and moved');
SAVEPOINT before_error;
SELECT throws_ok('SELECT count(*) FILTER (WHERE 1 / (age - 47) > 0) FROM demo', '22012', NULL, 'an error of a filter');
SELECT throws_ok('SELECT sex, count(*) / (count(*) - 960) FROM demo GROUP BY 1', '22012', NULL, 'an error above the groups');
ROLLBACK TO before_error;

-- other users: grants of columns and of functions, policies, views
CREATE ROLE reader;
GRANT SELECT (row_index, cell_type, donor_id) ON demo TO reader;
SET LOCAL ROLE reader;
SELECT throws_ok('SELECT sex, count(*) FROM demo GROUP BY 1', '42501', NULL, 'a key that one may not read');
SELECT throws_ok('SELECT max(age) FROM demo', '42501', NULL, 'an argument');
SELECT throws_ok('SELECT count(*) FROM demo WHERE sex = ''male''', '42501', NULL, 'a condition');
SELECT throws_ok('SELECT count(*) FILTER (WHERE sex = ''male'') FROM demo', '42501', NULL, 'a filter');
SELECT throws_ok('SELECT cell_type FROM demo GROUP BY 1 HAVING max(age) > 3', '42501', NULL, 'HAVING');
SELECT throws_ok('SELECT count(*) FROM demo_h5ad', '42501', NULL, 'the foreign table');
SELECT lives_ok('SELECT cell_type, count(*) FROM demo WHERE donor_id IS NOT NULL GROUP BY 1', 'what one may read');
RESET ROLE;
REVOKE EXECUTE ON FUNCTION max(bigint) FROM PUBLIC;
SET LOCAL ROLE reader;
SELECT throws_ok('SELECT max(row_index) FROM (SELECT row_index, cell_type FROM demo) AS d GROUP BY cell_type', '42501', 'permission denied for aggregate max', 'an aggregate that one may not call');
RESET ROLE;
GRANT EXECUTE ON FUNCTION max(bigint) TO PUBLIC;
ALTER TABLE demo ENABLE ROW LEVEL SECURITY;
CREATE POLICY some_donors ON demo FOR SELECT TO reader USING (donor_id IN ('D01', 'D02', 'D03'));
CREATE VIEW owned AS SELECT * FROM demo;
CREATE VIEW barrier WITH (security_barrier) AS SELECT * FROM demo WHERE cell_type LIKE '% T cell';
GRANT SELECT ON owned, barrier TO reader;
CREATE TEMP TABLE visible AS SELECT * FROM (SELECT cell_type, donor_id, row_index FROM demo OFFSET 0) AS d WHERE donor_id IN ('D01', 'D02', 'D03');
GRANT SELECT ON visible, queries TO reader;
SET LOCAL ROLE reader;
SELECT is(uses_node('SELECT cell_type, count(*) FROM demo GROUP BY 1'), true, 'a policy on codes is looked at by code');
SELECT set_eq('SELECT cell_type, count(*), count(DISTINCT donor_id) AS donors, min(row_index) FROM demo GROUP BY 1',
	'SELECT cell_type, count(*), count(DISTINCT donor_id) AS donors, min(row_index) FROM visible GROUP BY 1', 'groups of the rows that a policy shows');
SELECT set_eq('SELECT DISTINCT donor_id FROM demo', 'SELECT DISTINCT donor_id FROM visible', 'DISTINCT of them');
SELECT is((SELECT count(*) FROM demo), (SELECT count(*) FROM visible), 'count(*) of them');
SELECT is((SELECT count(*) FROM owned), 3200::bigint, 'a view of the owner shows all');
CREATE FUNCTION pg_temp.told(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN IF $1 !~ ' T cell$' THEN RAISE EXCEPTION 'leaked %', $1; END IF; RETURN true; END $$;
CREATE FUNCTION pg_temp.told_donor(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN IF $1 NOT IN ('D01', 'D02', 'D03') THEN RAISE EXCEPTION 'leaked %', $1; END IF; RETURN true; END $$;
SELECT lives_ok('SELECT sex, count(*) FROM barrier WHERE pg_temp.told(cell_type) GROUP BY 1', 'a leaky condition sees no row that the view hides');
SELECT lives_ok('SELECT count(*) FILTER (WHERE pg_temp.told(cell_type)) FROM barrier', 'nor does a leaky filter');
SELECT lives_ok('SELECT cell_type, count(*) FROM demo WHERE pg_temp.told_donor(donor_id) GROUP BY 1', 'nor one of a row that a policy hides');
SELECT lives_ok('SELECT count(*) FILTER (WHERE pg_temp.told_donor(donor_id)), bool_and(pg_temp.told_donor(donor_id)) FROM demo', 'nor an argument');
SELECT lives_ok('SELECT donor_id FROM demo GROUP BY 1 HAVING pg_temp.told_donor(donor_id) AND count(*) > 0', 'nor HAVING');
RESET ROLE;
ALTER TABLE demo DISABLE ROW LEVEL SECURITY;

-- a table with partitions of its own beside the collection
ALTER TABLE demo DETACH PARTITION demo_h5ad;
ALTER TABLE demo ATTACH PARTITION demo_h5ad FOR VALUES FROM (0) TO (MAXVALUE);
CREATE TABLE beside PARTITION OF demo FOR VALUES FROM (-100) TO (0);
INSERT INTO beside (row_index, cell_type) VALUES (-5, 'B cell'), (-6, NULL);
SELECT is(uses_node('SELECT cell_type, count(*) FROM demo GROUP BY 1'), false, 'rows of two partitions');
SELECT is((SELECT count(*) FROM demo), 3202::bigint, 'all are counted');
SELECT is(uses_node('SELECT cell_type, count(*) FROM demo WHERE row_index >= 0 GROUP BY 1'), true, 'but of one where the other is excluded');
SELECT is((SELECT count(*) FROM demo WHERE row_index >= 0), 3200::bigint, 'which are these');
SELECT is((SELECT count(*) FROM demo WHERE row_index < 0), 2::bigint, 'and those');
SET enable_partitionwise_aggregate = on;
SELECT is(compared('SELECT cell_type, count(*) FROM demo GROUP BY 1'), 'same', 'by partitions');
DROP TABLE beside;
SELECT is(compared('SELECT cell_type, count(*), avg(age) FROM demo GROUP BY 1'), 'same', 'by the only partition');
CREATE TABLE above (LIKE demo) PARTITION BY RANGE (row_index);
ALTER TABLE above ATTACH PARTITION demo FOR VALUES FROM (MINVALUE) TO (MAXVALUE);
SELECT is(uses_node('SELECT cell_type, count(*) FROM above WHERE sex = ''male'' GROUP BY 1 HAVING count(*) > 3'), true, 'a partition of a partition');
SELECT is(compared('SELECT cell_type, count(*), max(age) FILTER (WHERE is_doublet) FROM above WHERE sex = ''male'' GROUP BY 1 HAVING count(*) > 3'), 'same', 'its groups');
RESET enable_partitionwise_aggregate;

-- columns that moved
ALTER TABLE above DETACH PARTITION demo;
ALTER TABLE demo DROP COLUMN donor_id CASCADE;
SELECT is(compared('SELECT sex, cell_type, max(age), count(*) FILTER (WHERE is_doublet) FROM demo WHERE percent_mito > 1 GROUP BY 1, 2'), 'same', 'after a column was dropped');
-- a plan that is kept, and a column that is not
PREPARE kept AS SELECT sex, count(*) FROM demo GROUP BY 1;
SELECT lives_ok('EXECUTE kept', 'a plan that is kept');
ALTER TABLE demo DROP COLUMN age;
SELECT lives_ok('EXECUTE kept', 'after another column is gone');
ALTER TABLE demo DROP COLUMN sex;
SELECT throws_ok('EXECUTE kept', '42703', NULL, 'after the column is gone');
SELECT * FROM finish();
ROLLBACK;
