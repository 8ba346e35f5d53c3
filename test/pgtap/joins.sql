--
-- joins.sql
--		Joins on row_index, however they are planned: the same rows as those of
--		a join with the collection behind a fence (OFFSET 0).
--
BEGIN;
SELECT no_plan();
SET client_min_messages = warning;
SELECT create_collection('coll', ARRAY[:'data' || '/demo']);
CREATE TABLE few (id int, i2 smallint, i4 int, i8 bigint, n numeric, many bigint[], many4 int[], by text);
INSERT INTO few VALUES
	(1, 3, 3, 3, 3, '{1,2,2,3}', '{5,NULL,1}', 'cell_type'), (2, 3, 1500, 2699, 3.5, '{}', '{}', 'donor_id'),
	(3, NULL, NULL, NULL, NULL, NULL, NULL, 'sex'), (4, -1, -1, -1, -1, '{-1,3200,3199}', '{-1,3199}', 'file_index'),
	(5, 3199, 3199, 3199, 3199, '{NULL}', '{NULL}', 'cell_type, sex'), (6, 3200, 2147483647, 9223372036854775807, 1e30, '{9223372036854775807,0}', '{0,2147483647}', 'is_doublet'),
	(7, 0, 0, 0, 0, '{700,1500,2700}', '{700,1500,2700}', 'cell_type');
ANALYZE few;

-- The result of a query over "coll", and of the same over the fenced one; the
-- planner's choices are the caller's.
CREATE FUNCTION differs(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	pushed text;
	fenced text;
	n bigint;
BEGIN
	EXECUTE format('SELECT count(*), md5(string_agg(q::text, '','' ORDER BY q::text)) FROM (%s) AS q',
		replace(query, '@coll', 'coll')) INTO n, pushed;
	EXECUTE format('SELECT md5(string_agg(q::text, '','' ORDER BY q::text)) FROM (%s) AS q',
		replace(query, '@coll', '(SELECT * FROM coll OFFSET 0)')) INTO fenced;
	RETURN CASE WHEN pushed IS NOT DISTINCT FROM fenced THEN 'same' ELSE n || ' rows, others than behind a fence' END;
END $$;
CREATE FUNCTION rows_of(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
	EXECUTE format('SELECT count(*) FROM (%s) AS q', replace(query, '@coll', 'coll')) INTO n;
	RETURN n;
END $$;
CREATE TEMP TABLE queries (query text, n bigint);
INSERT INTO queries VALUES
	('SELECT f.id, c.obs_name, c.x FROM few f JOIN @coll c ON c.row_index = f.i8', 4),
	('SELECT f.id, c.obs_name, c.x_values FROM few f JOIN @coll c ON c.row_index = f.i4', 4),
	('SELECT f.id, c.obs_name FROM few f JOIN @coll c ON f.i2 = c.row_index', 4),
	('SELECT f.id, c.obs_name FROM few f JOIN @coll c ON f.n = c.row_index', 3),
	('SELECT f.id, c.obs_name FROM few f LEFT JOIN @coll c ON c.row_index = f.i8', 7),
	('SELECT f.id, c.obs_name FROM few f LEFT JOIN @coll c ON c.row_index = f.i4 AND c.file_index = 1', 7),
	('SELECT f.id, c.obs_name FROM few f JOIN @coll c ON c.row_index = f.i4 WHERE c.row_index > 2 AND c.cell_type IS NOT NULL', 3),
	('SELECT f.id, c.obs_name FROM few f JOIN @coll c ON c.row_index = f.i4::bigint + 1', 4),
	('SELECT f.id, c.obs_name FROM few f JOIN @coll c ON c.row_index = f.i8 AND c.row_index = f.i4', 3),
	('SELECT f.id, c.obs_name FROM few f JOIN @coll c ON c.row_index < f.i4 AND c.row_index < 10', NULL),
	('SELECT f.id, c.obs_name FROM few f JOIN @coll c ON c.row_index BETWEEN f.i4 AND f.i4::bigint + 2', NULL),
	('SELECT f.id, c.obs_name FROM few f JOIN @coll c ON c.row_index = ANY (f.many)', NULL),
	('SELECT f.id, c.obs_name FROM few f JOIN @coll c ON c.row_index = ANY (f.many4)', NULL),
	('SELECT f.id, c.obs_name FROM few f LEFT JOIN @coll c ON c.row_index = ANY (f.many) AND c.row_index > f.i4', NULL),
	('SELECT c.obs_name, c.x FROM @coll c WHERE c.row_index IN (SELECT i4 FROM few)', 4),
	('SELECT c.obs_name FROM @coll c WHERE EXISTS (SELECT FROM few f WHERE f.i8 = c.row_index AND f.id > 1)', 3),
	('SELECT count(*) FROM @coll c WHERE NOT EXISTS (SELECT FROM few f WHERE f.i8 = c.row_index)', 1),
	('SELECT count(*) FROM @coll c WHERE c.row_index NOT IN (SELECT i8 FROM few WHERE i8 IS NOT NULL)', 1),
	('SELECT f.id, (SELECT c.obs_name FROM @coll c WHERE c.row_index = f.i8) FROM few f', 7),
	('SELECT f.id, (SELECT count(*) FROM @coll c WHERE c.row_index < f.i4) FROM few f', 7),
	('SELECT f.id, l.* FROM few f, LATERAL (SELECT c.row_index, c.obs_name FROM @coll c WHERE c.row_index >= f.i8 ORDER BY 1 LIMIT 2) AS l', NULL),
	('SELECT f.id, a.obs_name, b.x_indices FROM few f JOIN @coll a ON a.row_index = f.i8 JOIN @coll b ON b.row_index = a.row_index', 4),
	('SELECT a.row_index, b.obs_name FROM @coll a JOIN @coll b ON b.row_index = a.n_counts WHERE a.row_index < 50', NULL),
	('SELECT f.id, c FROM few f JOIN @coll c ON c.row_index = f.i8', 4),
	('SELECT f.id, c.row_index FROM few f FULL JOIN @coll c ON c.row_index = f.i8', NULL),
	('SELECT b.row_index, b.label, c.cell_type FROM sample_batch(''coll'', 20, ''cell_type'', seed => 1) b JOIN @coll c USING (row_index) WHERE c.cell_type = b.label', 20);
SELECT is(differs(query), 'same', query) FROM queries;
SELECT is(rows_of(query), n, n || ' rows: ' || query) FROM queries WHERE n IS NOT NULL;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SELECT is(differs(query), 'same', 'by nested loops: ' || query) FROM queries WHERE query !~ 'FULL JOIN';
SET enable_material = off;
SET enable_memoize = off;
SELECT is(differs(query), 'same', 'without materials: ' || query) FROM queries WHERE query !~ 'FULL JOIN|n_counts';
SET enable_nestloop = off;
SET enable_hashjoin = on;
SELECT is(differs(query), 'same', 'by hashing: ' || query) FROM queries WHERE query !~ 'n_counts';
SET enable_nestloop = on;
SET plan_cache_mode = force_generic_plan;
SELECT is(differs(query), 'same', 'by generic plans: ' || query) FROM queries WHERE query !~ 'n_counts';
RESET plan_cache_mode;

-- a join does not reach below TABLESAMPLE: the sample is that of the table
SET enable_hashjoin = off;
CREATE TEMP TABLE sampled AS SELECT row_index FROM coll TABLESAMPLE bernoulli(30) REPEATABLE (4);
SELECT results_eq(
	$$SELECT g FROM generate_series(0, 60) AS g JOIN coll TABLESAMPLE bernoulli(30) REPEATABLE (4) ON row_index = g ORDER BY 1$$,
	$$SELECT row_index::int FROM sampled WHERE row_index <= 60 ORDER BY 1$$, 'rows of a bernoulli sample');
CREATE TEMP TABLE drawn AS SELECT row_index FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE (4);
SELECT results_eq(
	$$SELECT g FROM generate_series(0, 60) AS g JOIN coll TABLESAMPLE weighted('cell_type') REPEATABLE (4) ON row_index = g ORDER BY 1$$,
	$$SELECT row_index::int FROM drawn WHERE row_index <= 60 ORDER BY 1$$, 'rows of a weighted sample, repeats and all');
SELECT results_eq(
	$$SELECT f.id, count(*) FROM few f, LATERAL (SELECT * FROM coll TABLESAMPLE weighted(f.by) REPEATABLE (f.id) WHERE row_index >= 0 LIMIT f.id) AS s GROUP BY 1 ORDER BY 1$$,
	$$SELECT id, id::bigint FROM few ORDER BY 1$$, 'samples by columns of another table');

-- changes of in-house tables by a collection
UPDATE few SET by = c.cell_type || length(c.x) FROM coll c WHERE c.row_index = few.i8;
SELECT is((SELECT count(*) FROM few JOIN coll c ON c.row_index = few.i8 WHERE by = c.cell_type || 3696), 4::bigint, 'UPDATE ... FROM a collection');
DELETE FROM few USING coll c WHERE c.row_index = few.i8 AND c.file_index = 0;
SELECT is((SELECT array_agg(id ORDER BY id) FROM few), '{2,3,4,5,6}'::int[], 'DELETE ... USING a collection');
SELECT is((SELECT count(*) FROM (SELECT few.id FROM few JOIN coll c ON c.row_index = few.i8 FOR UPDATE OF few) AS s), 2::bigint, 'FOR UPDATE OF the other table');
SELECT is((SELECT count(*) FROM (SELECT c.x FROM few JOIN coll c ON c.row_index = few.i8 FOR UPDATE) AS s), 2::bigint, 'FOR UPDATE of both');
INSERT INTO few (id, i8, by) SELECT 10, row_index, cell_type FROM coll WHERE row_index IN (8, 9) ON CONFLICT DO NOTHING;
SELECT is((SELECT count(*) FROM few WHERE id = 10), 2::bigint, 'INSERT ... SELECT');
SELECT * FROM finish();
ROLLBACK;
