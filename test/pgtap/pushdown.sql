--
-- pushdown.sql
--		Conditions that are looked at where the columns lie: which of them are, and
--		that rows, errors and what functions get to see are those of a copy.
--
BEGIN;
SELECT no_plan();
SET client_min_messages = warning;
SET max_parallel_workers_per_gather = 0;
SELECT create_collection('coll', ARRAY[:'data' || '/demo']);
CREATE TABLE copy AS SELECT row_index, file_index, obs_name, cell_type, donor_id, n_counts, percent_mito, is_doublet, sex, age, chemistry, severity FROM coll;
ANALYZE copy;

-- The foreign scans of a plan
CREATE FUNCTION scans(query text, options text DEFAULT '') RETURNS SETOF jsonb LANGUAGE plpgsql AS $$
DECLARE plan jsonb;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT JSON, COSTS OFF' || options || ') ' || query INTO plan;
	RETURN QUERY SELECT jsonb_path_query(plan, '$.** ? (@."Node Type" == "Foreign Scan")');
END $$;
CREATE FUNCTION scan_of(query text, options text DEFAULT '') RETURNS jsonb LANGUAGE sql AS $$
	SELECT DISTINCT s FROM scans(query, options) AS s
$$;
-- "pushed", "above", "both" or "none": where the quals of a query on one table are
CREATE FUNCTION place(condition text) RETURNS text LANGUAGE sql AS $$
	SELECT CASE WHEN s ?& ARRAY['Pushed Filter', 'Filter'] THEN 'both' WHEN s ? 'Pushed Filter' THEN 'pushed' WHEN s ? 'Filter' THEN 'above'
		ELSE 'none' END
	FROM (SELECT coalesce(scan_of('SELECT obs_name FROM coll WHERE ' || condition), '{}') AS s) AS s
$$;
-- The rows that a condition gives, or its error
CREATE FUNCTION rows_of(tab text, condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
	EXECUTE format('SELECT count(*) || '' '' || md5(string_agg(row_index::text, '','' ORDER BY row_index)) FROM %s WHERE %s', tab, condition) INTO result;
	RETURN coalesce(result, '0 rows');
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || SQLERRM;
END $$;

-- looked at by code, or by comparing numbers
CREATE TABLE conditions (id serial, condition text, place text);
INSERT INTO conditions (condition, place) SELECT c, 'pushed' FROM unnest(ARRAY[
	$$cell_type = 'B cell'$$, $$'B cell' = cell_type$$, $$cell_type <> 'B cell'$$, $$cell_type < 'M'$$, $$cell_type >= 'M' COLLATE "C"$$,
	$$cell_type IN ('B cell', 'plasma cell')$$, $$cell_type NOT IN ('B cell', 'plasma cell')$$, $$cell_type IN ('B cell', NULL)$$,
	$$cell_type = ANY (NULL::text[])$$, $$cell_type <> ALL ('{}')$$,
	$$cell_type IS NULL$$, $$cell_type IS NOT NULL$$, $$severity IS NULL$$, $$severity IS NOT NULL$$,
	$$cell_type LIKE 'CD_ T%'$$, $$cell_type NOT LIKE '%cell'$$, $$cell_type ILIKE 'cd%'$$, $$cell_type LIKE 'CD4~ T%' ESCAPE '~'$$,
	$$cell_type LIKE '%\l cell'$$, $$cell_type ~ '^CD[48]'$$, $$cell_type !~* 'T CELL$'$$, $$cell_type SIMILAR TO '%(mono|dendri)%'$$,
	$$starts_with(cell_type, 'B')$$, $$length(cell_type) > 10$$, $$upper(cell_type) = 'B CELL'$$, $$coalesce(cell_type, 'none') = 'none'$$,
	$$cell_type || 'x' > 'M'$$, $$CASE cell_type WHEN 'B cell' THEN true WHEN 'plasma cell' THEN NULL ELSE false END$$,
	$$cell_type IS DISTINCT FROM 'B cell'$$, $$cell_type IS NOT DISTINCT FROM NULL$$, $$substr(cell_type, 1, 1) BETWEEN 'A' AND 'C'$$,
	$$is_doublet$$, $$NOT is_doublet$$, $$is_doublet IS UNKNOWN$$, $$is_doublet IS NOT TRUE$$, $$is_doublet IS NOT FALSE$$, $$is_doublet = (sqrt(4) > 1)$$,
	$$age > 40$$, $$40 < age$$, $$age <= 40::smallint$$, $$age = 61$$, $$age <> 61$$, $$age IN (61, 62, NULL)$$, $$age NOT IN (61, 62)$$,
	$$age IS NULL$$, $$age IS NOT NULL$$, $$age BETWEEN 30 AND 60$$, 
	$$age > 9223372036854775807$$, $$n_counts > 1000 AND n_counts < 2000$$,
	$$percent_mito > 5$$, $$percent_mito < 2.5::real$$, $$percent_mito = 'NaN'$$, $$percent_mito < 'NaN'$$, $$percent_mito >= 'Infinity'$$,
	$$percent_mito IN (0, 'NaN', 1.5)$$, $$percent_mito IS NULL$$, $$percent_mito <> -0.0$$,
	$$file_index <> 1$$, $$file_index % 2 = 0$$, $$file_index::text = '2'$$, $$row_index <> 5$$, $$row_index NOT IN (1, 2)$$,
	$$row_index < 5 OR row_index > 3000$$, $$NOT (row_index = ANY ('{1,5,3199}') OR row_index BETWEEN 20 AND 3190)$$,
	$$NOT (row_index > 10 AND cell_type = 'B cell') AND row_index < 40$$, $$(row_index < 700 AND cell_type = 'B cell') OR (row_index > 2900 AND is_doublet)$$,
	$$(row_index < 10) IS TRUE OR (row_index < 3190) IS FALSE$$, $$(row_index < NULL::int) IS UNKNOWN AND age = 61$$,
	$$(age > 40 OR cell_type = 'B cell') AND NOT (sex = 'female' AND is_doublet)$$,
	$$NOT (age > 40 OR (severity = 'mild' AND is_doublet) OR chemistry IS NULL)$$,
	$$(age > 40) IS UNKNOWN$$, $$(age > 40 AND sex = 'male') IS NOT TRUE$$, $$(severity = 'mild' OR age < 50) IS NOT FALSE$$,
	$$cell_type = current_setting('search_path') OR cell_type = 'B cell'$$, $$length(current_user) > 0 AND cell_type = 'B cell'$$,
	$$(SELECT 'B cell') = cell_type$$, $$cell_type = ANY (ARRAY(SELECT 'B cell'::text))$$, $$age > (SELECT 50)$$]) AS c;
-- of the same table, but row by row
INSERT INTO conditions (condition, place) SELECT c, 'above' FROM unnest(ARRAY[
	$$obs_name LIKE '%1'$$, $$cell_type = severity$$, $$cell_type > donor_id OR age = 40$$, $$age + 1 > 40$$, $$age > n_counts$$, $$row_index % 10 = 3$$,
	$$age > 40.5$$, $$coll IS NOT NULL$$, $$cell_type = 'B cell' OR random() < 0$$, $$cell_type IN (SELECT 'B cell' WHERE age > 40)$$,
	$$(SELECT count(*) FROM pg_class WHERE relname = cell_type) = 0$$]) AS c;
-- and what the planner finds to be never true
INSERT INTO conditions (condition, place) SELECT c, 'none' FROM unnest(ARRAY[
	$$cell_type NOT IN ('B cell', NULL)$$, $$cell_type = ANY ('{}')$$, $$cell_type = NULL::text || 'a'$$, $$age > NULL::int$$, $$age <> ALL ('{61,NULL}'::bigint[])$$]) AS c;
INSERT INTO conditions (condition, place) VALUES ($$cell_type = 'B cell' AND age + 1 > 40$$, 'both'),
	($$row_index < 10$$, 'none'), ($$file_index IN (0, 2)$$, 'none');
SELECT is(place(condition), place, 'where: ' || condition) FROM conditions ORDER BY id;
SELECT is(rows_of('coll', condition), rows_of('copy AS coll', condition), condition) FROM conditions WHERE condition !~ 'coll IS' ORDER BY id;
SELECT is(rows_of('coll', format('NOT (%s)', condition)), rows_of('copy AS coll', format('NOT (%s)', condition)), 'NOT ' || condition)
FROM conditions WHERE condition !~ 'coll IS' ORDER BY id;
SELECT is(rows_of('coll', format('(%s) IS UNKNOWN OR (%s)', a.condition, b.condition)),
	rows_of('copy AS coll', format('(%s) IS UNKNOWN OR (%s)', a.condition, b.condition)), a.condition || ' with ' || b.condition)
FROM conditions a, conditions b WHERE b.id = (a.id * 37) % 89 + 1 AND a.condition !~ 'coll IS' AND b.condition !~ 'coll IS' ORDER BY a.id;

-- conditions in each other: planning takes time for each once
CREATE FUNCTION nested(depth int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE condition text := 'cell_type = ''B cell''';
BEGIN
	FOR i IN 1..depth LOOP
		condition := format('(NOT (%s) OR age > %s) AND row_index <> %s', condition, i, i);
	END LOOP;
	RETURN condition;
END $$;
SET statement_timeout = '1min';
-- (not of the partitioned table: PostgreSQL's own search for partitions takes time for each twice)
SELECT is(rows_of('coll_h5ad', nested(d)), rows_of('copy', nested(d)), d || ' conditions in each other') FROM unnest(ARRAY[5, 100]) AS d;
RESET statement_timeout;

-- off
SET mappedcoll.enable_pushdown = off;
SELECT is((SELECT count(*) FROM conditions WHERE place(condition) IN ('pushed', 'both')), 0::bigint, 'nothing goes down when that is off');
SELECT is(rows_of('coll', condition), rows_of('copy AS coll', condition), 'off: ' || condition) FROM conditions WHERE id % 7 = 0 AND condition !~ 'coll IS';
RESET mappedcoll.enable_pushdown;
-- nor below a sampling
SELECT ok(NOT scan_of($$SELECT 1 FROM coll TABLESAMPLE bernoulli (50) WHERE cell_type = 'B cell'$$) ? 'Pushed Filter', 'nothing goes below a sampling');
SELECT is((SELECT array_agg(row_index ORDER BY row_index) FROM coll TABLESAMPLE bernoulli (50) REPEATABLE (1) WHERE cell_type = 'B cell'),
	(SELECT array_agg(row_index ORDER BY row_index) FROM (SELECT * FROM coll TABLESAMPLE bernoulli (50) REPEATABLE (1) OFFSET 0) AS s WHERE cell_type = 'B cell'),
	'which comes first');

-- collations: PostgreSQL's own comparisons
SELECT is(rows_of('coll', condition), rows_of('copy AS coll', condition), condition) FROM unnest(ARRAY['<', '<=', '>', '>=', '=']) AS op,
	unnest(ARRAY['C', 'POSIX', 'default', 'en_US', 'und-x-icu', 'ucs_basic']) AS c, format('cell_type %s ''b cell'' COLLATE %I', op, c) AS condition
WHERE EXISTS (SELECT FROM pg_collation WHERE collname = c AND collencoding IN (-1, pg_char_to_encoding(getdatabaseencoding())));
DO $$
BEGIN
	EXECUTE 'CREATE COLLATION ignoring_case (provider = icu, locale = ''und-u-ks-level2'', deterministic = false)';
EXCEPTION WHEN OTHERS THEN
	RAISE NOTICE 'without ICU';
END $$;
SELECT is(rows_of('coll', condition), rows_of('copy AS coll', condition), condition) FROM unnest(ARRAY['cell_type = ''b CELL'' COLLATE ignoring_case',
	'cell_type COLLATE ignoring_case <> ''B CELL''', 'cell_type LIKE ''b%'' COLLATE ignoring_case', 'cell_type COLLATE ignoring_case IN (''b cell'', ''PLASMA cell'')',
	'cell_type ~ ''b'' COLLATE ignoring_case']) AS condition
WHERE EXISTS (SELECT FROM pg_collation WHERE collname = 'ignoring_case');
SELECT is((SELECT count(*) FROM coll WHERE cell_type = 'b CELL' COLLATE ignoring_case), 425::bigint, 'a collation that ignores case')
WHERE EXISTS (SELECT FROM pg_collation WHERE collname = 'ignoring_case');

-- errors: those of the executor, for no row that it would not have reached
SELECT is(rows_of('coll', condition), rows_of('copy AS coll', condition), condition) FROM unnest(ARRAY[
	$$cell_type LIKE 'B cell\'$$, $$cell_type ~ '['$$, $$cell_type::int > 3$$, $$(1 / (length(cell_type) - 6)) > 0$$,
	$$donor_id IS NULL AND cell_type ~ '['$$, $$donor_id IS NOT NULL OR cell_type ~ (SELECT '[')$$, $$NOT (donor_id IS NULL AND cell_type::int = 3)$$,
	$$CASE WHEN cell_type = 'B cell' THEN false ELSE length(cell_type) <> 6 AND 1 / (length(cell_type) - 6) >= 0 END$$,
	$$row_index < 0 AND cell_type ~ '['$$, $$cell_type = 'no such' AND severity::int > 3$$, $$age > 1000 AND n_counts / (age - age) > 1$$]) AS condition;
SELECT is(rows_of('coll', $$cell_type ~ '['$$), '2201B invalid regular expression: brackets [] not balanced', 'an error');
SELECT is(rows_of('coll', $$donor_id IS NOT NULL OR cell_type ~ (SELECT '[')$$), rows_of('coll', 'true'), 'no error');

-- columns of other types: converted for rows that are reached
CREATE TYPE kind AS ENUM ('plasma cell', 'B cell', 'CD4 T cell', 'CD8 T cell', 'classical monocyte');
CREATE DOMAIN short AS text CHECK (length(VALUE) < 12);
SELECT format($$CREATE FOREIGN TABLE converted (row_index bigint, gone text OPTIONS (obs 'sex'), kind kind OPTIONS (obs 'cell_type'), short short OPTIONS (obs 'cell_type'),
	padded char(12) OPTIONS (obs 'sex'), cut varchar(40) OPTIONS (obs 'cell_type'), age numeric, n_counts double precision, is_doublet text, percent_mito text, file_index int,
	severity name) SERVER mappedcoll OPTIONS (files '{%s/demo/pbmc_site_a.h5ad,%s/demo/pbmc_site_b.h5ad,%s/demo/pbmc_site_c.h5ad}')$$, :'data', :'data', :'data') AS ddl \gexec
ALTER FOREIGN TABLE converted DROP COLUMN gone;
CREATE TABLE converted_copy AS SELECT row_index, file_index, sex::char(12) AS padded, cell_type::varchar(40) AS cut, age::numeric AS age, n_counts::float8 AS n_counts,
	is_doublet::text AS is_doublet, percent_mito::text AS percent_mito, severity::name AS severity FROM coll;
SELECT is(rows_of('converted', condition), rows_of('converted_copy', condition), condition) FROM unnest(ARRAY[
	$$padded = 'female'$$, $$padded LIKE 'fem%'$$, $$length(padded) = 4$$, $$cut = 'B cell'$$, $$cut <> 'B cell' OR age > 60$$, $$age > 40.5$$, $$age = 61$$, $$age IS NULL$$,
	$$n_counts > 1000$$, $$n_counts IN (1000, 1001, 1002)$$, $$is_doublet = 'true'$$, $$is_doublet IS NULL$$, $$percent_mito > '5'$$, $$percent_mito LIKE '1%'$$,
	$$severity = 'mild'$$, $$severity IS NULL AND padded <> 'male'$$]) AS condition;
CREATE TABLE of_kind AS SELECT array_agg(row_index) FILTER (WHERE cell_type IN ('B cell', 'plasma cell')) AS good,
	min(row_index) FILTER (WHERE cell_type = 'natural killer cell') AS bad FROM copy;
SELECT throws_ok($$SELECT count(*) FROM converted WHERE kind = 'B cell'$$, '22P02', NULL, 'a category that an enum lacks');
SELECT is((SELECT count(*) FROM converted WHERE kind = 'B cell' AND row_index = ANY ((SELECT good FROM of_kind)::bigint[])), 425::bigint,
	'is no error where no row has it');
SELECT is((SELECT count(*) FROM converted WHERE kind < 'B cell' AND row_index = ANY ((SELECT good FROM of_kind)::bigint[])), 28::bigint, 'enums have their own order');
SELECT is((SELECT count(*) FROM converted WHERE short = 'B cell' AND row_index = ANY ((SELECT good FROM of_kind)::bigint[])), 425::bigint, 'a domain');
SELECT throws_ok('SELECT count(*) FROM converted WHERE short = ''B cell''', '23514', NULL, 'a category that a domain refuses');
SELECT throws_ok('SELECT count(*) FROM converted WHERE kind IS NULL AND row_index = ' || bad, '22P02', NULL, 'IS NULL asks for the value, too') FROM of_kind;

-- files that cannot have a row are not looked into; ranges
CREATE FUNCTION counted(condition text, OUT files int, OUT ranges int, OUT removed int, OUT rows_read int) LANGUAGE sql AS $$
	SELECT (s->>'Files Scanned')::int, (s->>'Row Ranges')::int, (s->>'Rows Removed by Pushed Filter')::int, (s->>'Rows Read')::int
	FROM scan_of('SELECT obs_name FROM coll WHERE ' || condition, ', ANALYZE, TIMING OFF, SUMMARY OFF') AS s
$$;
SELECT is(counted(condition)::text, want, 'counts: ' || condition) FROM (VALUES
	($$cell_type = 'no such'$$, '(0,1,0,0)'), ($$severity = 'mild'$$, '(1,1,196,304)'), ($$severity IS NULL$$, '(2,1,0,2700)'), ($$chemistry LIKE '10x%'$$, '(1,1,0,1200)'),
	($$chemistry LIKE '%v2'$$, '(1,1,850,350)'), ($$age < 34$$, '(0,1,0,0)'), ($$age IS NULL AND file_index = 1$$, '(1,1,1130,70)'), ($$percent_mito < -1$$, '(0,1,0,0)'),
	($$file_index <> 1 AND cell_type = 'plasma cell'$$, NULL), ($$row_index < 5 OR row_index >= 3198$$, '(2,2,0,7)'), ($$row_index NOT IN (7, 1600)$$, '(3,3,0,3198)'),
	($$row_index IN (1, 2, 3) AND cell_type IS NOT NULL$$, '(1,1,0,3)'), ($$row_index < 6 AND row_index NOT IN (1, 2, 3) AND row_index <> 5$$, '(1,2,0,2)'),
	($$severity = 'mild' OR chemistry IS NOT NULL$$, '(2,1,196,1504)'), ($$NOT (severity IS NULL OR severity = 'mild')$$, '(1,1,304,196)')) AS v (condition, want)
WHERE want IS NOT NULL;
SELECT is((scan_of($$SELECT count(*) FROM (SELECT FROM coll WHERE sex = 'male' AND age > 40 OFFSET 0) AS s$$)->'Columns Read')::text, '["sex", "age"]', 'columns of conditions are shown');

-- parameters: of plans, of nested loops, of rescans
SET plan_cache_mode = force_generic_plan;
PREPARE generic (text, int, text[], float8) AS SELECT count(obs_name || '') FROM coll WHERE cell_type = $1 AND (age > $2 OR donor_id = ANY ($3) OR percent_mito < $4);
SELECT is((scan_of('EXECUTE generic (NULL, NULL, NULL, NULL)') ? 'Pushed Filter'), true, 'parameters of a generic plan go down');
CREATE FUNCTION executed(a text, b int, c text[], d float8) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
	EXECUTE format('EXECUTE generic (%L, %L, %L, %L)', a, b, c, d) INTO n;
	RETURN n;
END $$;
CREATE TABLE arguments (a text, b int, c text[], d float8);
INSERT INTO arguments VALUES ('B cell', 40, '{}', 1), ('plasma cell', NULL, NULL, 'NaN'), (NULL, 1, '{a}', 3), ('CD4 T cell', 100, ARRAY(SELECT min(donor_id) FROM copy), NULL), ('B cell', 40, NULL, NULL);
SELECT is(executed(a, b, c, d), (SELECT count(*) FROM copy WHERE cell_type = a AND (age > b OR donor_id = ANY (c) OR percent_mito < d)), 'generic: ' || arguments::text) FROM arguments;
SET plan_cache_mode = force_custom_plan;
SELECT is(executed(a, b, c, d), (SELECT count(*) FROM copy WHERE cell_type = a AND (age > b OR donor_id = ANY (c) OR percent_mito < d)), 'custom: ' || arguments::text) FROM arguments;
RESET plan_cache_mode;
SELECT is((SELECT array_agg((SELECT count(*) FROM coll WHERE cell_type = a AND (age > b OR donor_id = ANY (c) OR percent_mito < d)) ORDER BY a, b) FROM arguments),
	(SELECT array_agg((SELECT count(*) FROM copy WHERE cell_type = a AND (age > b OR donor_id = ANY (c) OR percent_mito < d)) ORDER BY a, b) FROM arguments),
	'a scan that starts anew forgets what its parameters said');
SELECT is((SELECT array_agg(n ORDER BY a, b) FROM arguments, LATERAL (SELECT count(*) AS n FROM coll WHERE row_index BETWEEN b - 10 AND b + 1000 AND cell_type <> a AND length(cell_type) > length(a)) AS l),
	(SELECT array_agg(n ORDER BY a, b) FROM arguments, LATERAL (SELECT count(*) AS n FROM copy WHERE row_index BETWEEN b - 10 AND b + 1000 AND cell_type <> a AND length(cell_type) > length(a)) AS l),
	'LATERAL');
SET enable_hashjoin = off;
SET enable_mergejoin = off;
CREATE TABLE ends (id int, first bigint, last bigint, file int, by text);
INSERT INTO ends VALUES (1, 0, 9, 0, 'B cell'), (2, 1490, 1510, 1, 'CD4 T cell'), (3, 3000, NULL, 2, 'B cell'), (4, NULL, NULL, NULL, NULL), (5, 50, 40, 7, 'plasma cell'), (6, 3190, 9000, -1, 'x');
ANALYZE ends;
SELECT is(a, b, q) FROM (SELECT q, rows_of(replace(q, '@', 'coll'), 'true') AS a, rows_of(replace(q, '@', 'copy'), 'true') AS b FROM unnest(ARRAY[
	'(SELECT c.row_index FROM ends JOIN @ c ON c.row_index BETWEEN first AND last) AS s', '(SELECT c.row_index FROM ends JOIN @ c ON c.row_index > last) AS s',
	'(SELECT c.row_index FROM ends JOIN @ c ON c.file_index = file) AS s', '(SELECT c.row_index FROM ends JOIN @ c ON c.file_index = ANY (ARRAY[file, 1])) AS s',
	'(SELECT c.row_index FROM ends JOIN @ c ON c.row_index BETWEEN first AND last AND c.cell_type = by) AS s',
	'(SELECT c.row_index FROM ends JOIN @ c ON c.file_index = file AND c.row_index < last AND c.cell_type <> by) AS s',
	'(SELECT c.row_index FROM ends LEFT JOIN @ c ON c.row_index = first AND (c.cell_type = by OR c.row_index < last)) AS s',
	'(SELECT c.row_index FROM ends JOIN @ c ON c.cell_type = by AND c.row_index >= first) AS s']) AS q) AS s;
SELECT ok(scan_of('SELECT c.obs_name FROM ends JOIN coll c ON c.row_index BETWEEN first AND last')->>'Row Index' ~ '^row_index >= .* AND row_index <= ', 'a range that another table names');
SELECT ok(scan_of('SELECT c.obs_name FROM ends JOIN coll c ON c.file_index = file')->>'File Index' ~ '^file_index = ', 'a file that another table names');
RESET enable_hashjoin;
RESET enable_mergejoin;

-- what a function gets to see: no row that row-level security hides
CREATE ROLE pushdown_reader;
GRANT SELECT ON coll, ends TO pushdown_reader;
ALTER TABLE coll ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON coll FOR SELECT USING (donor_id = 'D03' AND NOT is_doublet);
CREATE FUNCTION spy(value anyelement) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$
BEGIN
	INSERT INTO seen VALUES (value::text);
	RETURN true;
END $$;
CREATE FUNCTION leak(value text) RETURNS boolean LANGUAGE plpgsql STABLE COST 0.0001 AS $$
BEGIN
	IF value IS NULL OR value NOT IN (SELECT cell_type FROM hidden) THEN
		RETURN true;
	END IF;
	RAISE EXCEPTION 'saw %', value;
END $$;
CREATE TABLE seen (value text);
CREATE TABLE hidden AS SELECT cell_type FROM copy EXCEPT SELECT cell_type FROM copy WHERE donor_id = 'D03' AND NOT is_doublet OR cell_type IS NULL;
GRANT SELECT, INSERT ON seen, hidden TO pushdown_reader;
SELECT ok((SELECT count(*) FROM hidden) > 0 AND (SELECT count(*) FROM copy WHERE donor_id = 'D03' AND NOT is_doublet) > 0, 'the policy hides some categories and not all');
SET LOCAL ROLE pushdown_reader;
SELECT lives_ok('SELECT obs_name FROM coll WHERE leak(cell_type)', 'a leaky function looked at by code sees no hidden category');
SELECT lives_ok('SELECT obs_name FROM coll WHERE leak(cell_type) OR age > 3', 'nor in OR');
SELECT lives_ok('SELECT count(x) FROM coll WHERE leak(cell_type) AND file_index >= 0', 'nor before vectors are read');
SELECT lives_ok('SELECT count(*) FROM ends, coll WHERE leak(cell_type) AND row_index >= first', 'nor in a join');
SELECT ok((SELECT bool_and(spy(donor_id)) FROM coll WHERE spy(donor_id)), 'nor does a volatile one');
SELECT is((SELECT array_agg(DISTINCT value) FROM seen), '{D03}', 'which saw these');
RESET ROLE;
SELECT throws_ok('SELECT count(*) FROM coll WHERE leak(cell_type)', 'P0001', NULL, 'who may see all of them sees them');
ALTER TABLE coll DISABLE ROW LEVEL SECURITY;

-- parallel scans: the same rows
SET max_parallel_workers_per_gather = 3;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT ok((scan_of('SELECT count(obs_name || cell_type) FROM coll WHERE age IS NULL')->>'Parallel Aware')::boolean, 'a parallel scan');
SELECT ok(NOT (scan_of('SELECT count(obs_name || cell_type) FROM coll TABLESAMPLE bernoulli (90)')->>'Parallel Aware')::boolean, 'never of a sample');
SELECT is(rows_of('coll', condition), rows_of('copy AS coll', condition), 'parallel: ' || condition) FROM conditions WHERE condition !~ 'coll IS' AND id % 4 = 0 ORDER BY id;
SELECT is((SELECT md5(string_agg(row_index || ' ' || md5(x), ',')) FROM (SELECT row_index, x FROM coll WHERE cell_type <> 'B cell' AND row_index % 3 = 0 ORDER BY row_index) AS s),
	(SELECT md5(string_agg(row_index || ' ' || md5(x), ',')) FROM (SELECT row_index, x FROM coll WHERE cell_type <> 'B cell' AND row_index % 3 = 0 OFFSET 0) AS s), 'vectors, in order');
SELECT is((SELECT sum(n) FROM ends, LATERAL (SELECT count(*) AS n FROM coll WHERE row_index >= first AND cell_type <> by) AS l),
	(SELECT sum(n) FROM ends, LATERAL (SELECT count(*) AS n FROM copy WHERE row_index >= first AND cell_type <> by) AS l), 'parallel and started anew');
SELECT is((SELECT count(*) FROM (SELECT obs_name FROM coll WHERE age IS NULL LIMIT 100) AS s), 100::bigint, 'that ends early');
SET mappedcoll.manifest_directory = '';
SELECT ok(NOT (scan_of('SELECT count(obs_name || cell_type) FROM coll')->>'Parallel Aware')::boolean, 'none where manifests are in the memory of a session');
RESET mappedcoll.manifest_directory;

SELECT * FROM finish();
ROLLBACK;
