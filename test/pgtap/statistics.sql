--
-- statistics.sql
--		What the planner knows of a collection: with and without ANALYZE.
--
BEGIN;
SELECT no_plan();
SET client_min_messages = warning;
SET max_parallel_workers_per_gather = 0;
SELECT create_collection('coll', ARRAY[:'data' || '/demo'], genes => ARRAY['CD3D'], obsm => ARRAY['X_pca']);
SELECT set_config('test.file', :'data' || '/demo/pbmc_site_c.h5ad', true);

-- the rows and the width that the planner expects of a query
CREATE FUNCTION expected(query text, property text DEFAULT 'Plan Rows') RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE plan jsonb;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT JSON) ' || query INTO plan;
	RETURN plan->0->'Plan'->>property;
END $$;
-- and those that it has
CREATE FUNCTION counted(query text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE result float8;
BEGIN
	EXECUTE format('SELECT count(*) FROM (%s) AS q', query) INTO result;
	RETURN result;
END $$;
-- exact: but for a rounding of float4, and the planner's 1 for none
CREATE FUNCTION is_exact(query text) RETURNS text LANGUAGE sql AS $$
	SELECT ok(abs(expected(query) - greatest(counted(query), 1)) <= 1,
		format('exact: %s (%s, %s)', query, expected(query), counted(query)))
$$;
CREATE FUNCTION is_near(query text, factor float8) RETURNS text LANGUAGE sql AS $$
	SELECT ok(expected(query) <= factor * greatest(counted(query), 1) AND greatest(counted(query), 1) <= factor * expected(query),
		format('within %s: %s (%s, %s)', factor, query, expected(query), counted(query)))
$$;

-- every category of every column, through the partitioned table and the foreign one, looked at by code or not
CREATE VIEW categories AS SELECT name, value FROM (
	SELECT 'cell_type' AS name, cell_type AS value FROM coll UNION SELECT 'donor_id', donor_id FROM coll
	UNION SELECT 'sex', sex FROM coll UNION SELECT 'chemistry', chemistry FROM coll
	UNION SELECT 'severity', severity FROM coll) AS c WHERE value IS NOT NULL;
CREATE TABLE all_categories AS SELECT * FROM categories;
SELECT cmp_ok(count(*), '>', 25::bigint, 'there are categories to look at') FROM all_categories;
CREATE FUNCTION inexact(op text) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT q || ' ' || expected(q) || ' ' || counted(q) FROM all_categories,
		unnest(ARRAY['coll', 'coll_h5ad']) AS t, format('SELECT 1 FROM %s WHERE %I %s %L', t, name, op, value) AS q
	WHERE abs(expected(q) - greatest(counted(q), 1)) > 1
$$;
SELECT is_empty($$SELECT inexact('=')$$, 'categories are counted exactly');
SELECT is_empty($$SELECT inexact('<>')$$, 'and what is not of one');
SET mappedcoll.enable_pushdown = off;
SELECT is_empty($$SELECT inexact('=')$$, 'categories are counted exactly without push-down');
RESET mappedcoll.enable_pushdown;

SELECT is_exact(format('SELECT 1 FROM coll WHERE %I IS %s', name, state)) FROM unnest(ARRAY['row_index', 'file_index', 'obs_name',
	'cell_type', 'donor_id', 'n_counts', 'percent_mito', 'is_doublet', 'sex', 'age', 'chemistry', 'severity']) AS name,
	unnest(ARRAY['NULL', 'NOT NULL']) AS state;
SELECT is_exact('SELECT 1 FROM coll WHERE ' || c) FROM unnest(ARRAY['is_doublet', 'is_doublet IS TRUE', 'is_doublet IS NOT TRUE',
	'is_doublet IS FALSE', 'is_doublet IS UNKNOWN', 'file_index = 1', 'file_index <> 1', 'file_index IN (0, 2)', 'file_index > 1',
	'row_index < 1000', 'row_index BETWEEN 1000 AND 1999', 'row_index = 7', 'row_index = ANY (''{1,2,3}'')', 'row_index <> 7',
	'cell_type LIKE ''%T cell''', 'cell_type ~ ''monocyte$''', 'cell_type IN (''B cell'', ''plasma cell'')', 'age = 41',
	'cell_type = ''no such type''', 'obs_name = ''nobody''']) AS c;

-- groups
SELECT is(expected('SELECT 1 FROM coll GROUP BY ' || g), n, 'groups by ' || g) FROM (VALUES ('cell_type', 11::float8), ('donor_id', 10),
	('file_index', 3), ('row_index', 3200), ('sex', 2), ('sex, chemistry', 4), ('obs_name', 3200)) AS v (g, n);
SELECT is_near('SELECT 1 FROM coll GROUP BY n_counts', 1.1);
SELECT is_near('SELECT 1 FROM coll WHERE ' || q, 2) FROM unnest(ARRAY['cell_type = ''B cell'' GROUP BY donor_id', 'cell_type = ''B cell'' GROUP BY row_index',
	'file_index = 0 GROUP BY row_index', 'file_index = 0 GROUP BY cell_type', 'is_doublet GROUP BY sex, chemistry']) AS q;

-- numbers
SELECT is_near(format('SELECT 1 FROM coll WHERE n_counts %s (SELECT percentile_disc(%s) WITHIN GROUP (ORDER BY n_counts) FROM coll)', o, f), 4)
	FROM unnest(ARRAY['<', '>']) AS o, unnest(ARRAY[0.2, 0.5, 0.8]) AS f;
SELECT is_near(format('SELECT 1 FROM coll WHERE n_counts %s %s', o, v), 1.1) FROM unnest(ARRAY['<', '>=']) AS o,
	(SELECT percentile_disc(ARRAY[0.2, 0.5, 0.8]) WITHIN GROUP (ORDER BY n_counts) AS vs FROM coll) AS p, unnest(vs) AS v;
SELECT is_exact('SELECT 1 FROM coll WHERE n_counts ' || o || m) FROM (SELECT min(n_counts), max(n_counts) FROM coll) AS e (low, high),
	LATERAL (VALUES ('< ', low), ('> ', high)) AS v (o, m);

-- joins with tables of the house
CREATE TABLE donors AS SELECT donor_id, row_number() OVER () % 2 AS cohort FROM (SELECT DISTINCT donor_id FROM coll) AS d;
INSERT INTO donors SELECT 'other ' || i, 2 FROM generate_series(1, 90) AS i;
CREATE TABLE picked AS SELECT i * 32::bigint AS row_index FROM generate_series(0, 99) AS i;
ANALYZE donors, picked;
SELECT is_near(q, 1.25) FROM unnest(ARRAY['SELECT 1 FROM coll JOIN donors USING (donor_id)', 'SELECT 1 FROM coll JOIN picked USING (row_index)',
	'SELECT 1 FROM coll LEFT JOIN picked USING (row_index)', 'SELECT 1 FROM coll a JOIN coll b USING (row_index)',
	'SELECT 1 FROM coll a JOIN coll b USING (cell_type)', 'SELECT 1 FROM coll_h5ad JOIN donors USING (donor_id)',
	'SELECT 1 FROM coll WHERE row_index IN (SELECT row_index FROM picked)', 'SELECT 1 FROM coll WHERE NOT EXISTS (SELECT FROM picked p WHERE p.row_index = coll.row_index)',
	'SELECT 1 FROM (SELECT donor_id, cell_type FROM coll OFFSET 0) s WHERE donor_id = ''D01'' AND cell_type = ''B cell''']) AS q;

-- widths: texts as tuples hold them, vectors by their length
SELECT is(expected(format('SELECT %I FROM %s', c, t), 'Plan Width'), w, 'width of ' || c || ' in ' || t) FROM unnest(ARRAY['coll', 'coll_h5ad']) AS t,
	(SELECT round(avg(octet_length(cell_type) + 1))::float8 AS a, round(avg(octet_length(obs_name) + 1))::float8 AS b,
		max(length(x))::float8 AS x, max(cardinality("X_pca")) * 4::float8 AS p FROM coll) AS m,
	LATERAL (VALUES ('cell_type', a), ('obs_name', b), ('row_index', 8), ('file_index', 4), ('n_counts', 8), ('is_doublet', 1), ('CD3D', 4),
		('X_pca', p + 4)) AS v (c, w);
SELECT cmp_ok(abs(expected('SELECT x FROM coll', 'Plan Width') - length(x)), '<', 8::float8, 'width of x') FROM coll LIMIT 1;
SELECT cmp_ok(abs(expected('SELECT x_values FROM coll', 'Plan Width') / avg(length(x_values))::float8 - 1), '<', 0.5::float8, 'width of x_values') FROM coll;
-- reading expression data costs more than not
SELECT cmp_ok(expected('SELECT x FROM coll', 'Total Cost'), '>', 2 * expected('SELECT cell_type FROM coll', 'Total Cost'), 'expression data costs');
SELECT cmp_ok(expected('SELECT x FROM coll WHERE cell_type = ''plasma cell''', 'Total Cost'), '<', expected('SELECT x FROM coll', 'Total Cost'), 'and less of it less');

-- as many values as the statistics target says
SET default_statistics_target = 3;
SELECT is_exact('SELECT 1 FROM coll WHERE cell_type = ''CD4 T cell''');
SELECT is(expected('SELECT 1 FROM coll WHERE cell_type = ''plasma cell'''), expected('SELECT 1 FROM coll WHERE cell_type = ''megakaryocyte'''),
	'beyond the target a category is one of the others');
SELECT is(expected('SELECT 1 FROM coll GROUP BY cell_type'), 11::float8, 'their number is known');
SELECT is_near('SELECT 1 FROM coll WHERE cell_type > ''k''', 1.5);
ALTER TABLE coll ALTER COLUMN cell_type SET STATISTICS 100;
SELECT is_exact('SELECT 1 FROM coll WHERE cell_type = ''plasma cell''');
ALTER TABLE coll ALTER COLUMN cell_type SET STATISTICS 0;
SELECT is(expected('SELECT 1 FROM coll WHERE cell_type = ''CD4 T cell'''), 16::float8, 'a target of 0: no statistics (the planner guesses 0.5%)');
ALTER TABLE coll ALTER COLUMN cell_type SET STATISTICS -1;
RESET default_statistics_target;
SELECT is_exact('SELECT 1 FROM coll WHERE cell_type = ''plasma cell''');

-- columns of other types than the values' are core's business
CREATE TYPE regress_mc_sex AS ENUM ('male', 'female');
SELECT lives_ok(format($$CREATE FOREIGN TABLE other (row_index bigint, cell_type varchar, sex regress_mc_sex, n_counts numeric, n text OPTIONS (obs 'n_counts'))
	SERVER mappedcoll OPTIONS (files %L)$$, current_setting('test.file')), 'a foreign table with other types');
SELECT cmp_ok(expected('SELECT 1 FROM other WHERE ' || c), '>', 0::float8, 'estimated: ' || c) FROM unnest(ARRAY['cell_type = ''B cell''', 'sex = ''male''',
	'n_counts > 40', 'n = ''5''', 'n LIKE ''1%''']) AS c;
-- and those that no file has are an error, as ever
SELECT lives_ok(format($$CREATE FOREIGN TABLE none (nothing text, row_index bigint) SERVER mappedcoll OPTIONS (files %L)$$, current_setting('test.file')), 'a column of no file');
SELECT is(expected('SELECT row_index FROM none WHERE nothing IS NULL') > 0, true, 'can be planned');
SELECT throws_ok('SELECT row_index FROM none WHERE nothing = ''x''', 'HV005');

-- ANALYZE: the whole of a small table is the sample
CREATE VIEW shown AS SELECT tablename, attname, null_frac, avg_width, n_distinct, most_common_freqs[1] AS most, correlation FROM pg_stats
	WHERE tablename IN ('coll', 'coll_h5ad');
SELECT is_empty('SELECT 1 FROM shown', 'nobody has called ANALYZE');
SELECT lives_ok('ANALYZE coll', 'ANALYZE of the partitioned table');
SELECT is((SELECT array_agg(attname::text ORDER BY attname::text) FROM shown WHERE tablename = t), '{age,cell_type,chemistry,donor_id,file_index,is_doublet,n_counts,obs_name,percent_mito,row_index,severity,sex}'::text[],
	t || ': columns of obs have statistics, expression data has not') FROM unnest(ARRAY['coll', 'coll_h5ad']) AS t;
SELECT is(reltuples, 3200::real, 'rows of ' || relname) FROM pg_class WHERE relname IN ('coll', 'coll_h5ad') ORDER BY relname;
SELECT is(relpages, 0, 'no pages that a client could divide') FROM pg_class WHERE relname = 'coll_h5ad';
SELECT is(s, ROW(tablename, attname, v.null_frac::real, v.n_distinct::real)::text, tablename || '.' || attname)
	FROM (SELECT tablename::text, attname::text, ROW(tablename, attname, null_frac, n_distinct)::text AS s FROM shown) AS a
	JOIN (SELECT 'cell_type', avg((cell_type IS NULL)::int), 11 FROM coll UNION ALL SELECT 'row_index', 0, -1
		UNION ALL SELECT 'file_index', 0, 3 UNION ALL SELECT 'obs_name', 0, -1 UNION ALL SELECT 'severity', avg((severity IS NULL)::int), count(DISTINCT severity) FROM coll)
		AS v (attname, null_frac, n_distinct) USING (attname);
SELECT is_empty($$SELECT inexact('=')$$, 'categories are counted exactly after ANALYZE');
SELECT lives_ok('ANALYZE coll_h5ad (cell_type, age)', 'ANALYZE of columns of the foreign table');
SELECT lives_ok('ANALYZE other', 'ANALYZE of converted values');
SELECT is(count(*), 5::bigint, 'all have statistics') FROM pg_stats WHERE tablename = 'other';
SELECT throws_ok('ANALYZE none', 'HV005');
-- a target of one's own is obeyed: what is not read is NULL
ALTER TABLE coll_h5ad ALTER COLUMN "CD3D" SET STATISTICS 10;
SELECT lives_ok('ANALYZE coll_h5ad ("CD3D")', 'ANALYZE of a gene');
SELECT is(null_frac, 1::real, 'reads no expression data') FROM shown WHERE tablename = 'coll_h5ad' AND attname = 'CD3D';
-- and the planner is not misled
SELECT is_exact('SELECT 1 FROM coll_h5ad WHERE ' || c) FROM unnest(ARRAY['"CD3D" IS NULL', '"CD3D" IS NOT NULL', 'x IS NULL', 'x_values IS NOT NULL',
	'"X_pca" IS NULL', '"X_pca" IS NOT NULL']) AS c;
SELECT cmp_ok(expected('SELECT 1 FROM coll_h5ad WHERE "CD3D" > 2'), '>', 100::float8, 'a gene''s values are unknown');
-- without a report of progress as well
SET track_activities = off;
DELETE FROM pg_statistic WHERE starelid = 'coll'::regclass;
SELECT lives_ok('ANALYZE coll', 'ANALYZE when activities are not tracked');
SELECT is(count(*), 12::bigint, 'has the statistics of the partitioned table') FROM shown WHERE tablename = 'coll';
RESET track_activities;
SELECT lives_ok('ANALYZE coll', 'ANALYZE again');
SELECT is(reltuples, 3200::real, 'rows of ' || relname) FROM pg_class WHERE relname IN ('coll', 'coll_h5ad') ORDER BY relname;
SELECT is(relpages, 0, 'no pages again') FROM pg_class WHERE relname = 'coll_h5ad';

-- who must not see all rows gets no value shown to an operator of one's own
CREATE ROLE regress_mc_clinic;
CREATE ROLE regress_mc_some;
GRANT SELECT ON coll TO regress_mc_clinic;
GRANT SELECT (row_index, sex) ON coll TO regress_mc_some;
ALTER TABLE coll ENABLE ROW LEVEL SECURITY;
CREATE POLICY regress_mc_own ON coll TO regress_mc_clinic USING (donor_id = 'D01');
CREATE POLICY regress_mc_all ON coll TO regress_mc_some USING (true);
CREATE TABLE told (value text);
GRANT ALL ON told TO PUBLIC;
CREATE FUNCTION tell(text, text) RETURNS boolean LANGUAGE plpgsql COST 0.1 AS $$ BEGIN INSERT INTO told VALUES ($1); RETURN true; END $$;
CREATE OPERATOR === (FUNCTION = tell, LEFTARG = text, RIGHTARG = text, RESTRICT = eqsel);
CREATE FUNCTION asked(role text, condition text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
	DELETE FROM told;
	PERFORM set_config('role', role, true);
	EXECUTE 'EXPLAIN (FORMAT JSON) SELECT 1 FROM coll WHERE ' || condition INTO plan;
	PERFORM set_config('role', 'none', true);
	RETURN (SELECT count(*) FROM told);
END $$;
SELECT cmp_ok(asked('none', 'donor_id === ''x'''), '>', 0::bigint, 'the owner''s operators are shown values');
SELECT is(asked('regress_mc_clinic', 'donor_id === ''x'''), 0::bigint, 'those of somebody under a policy are not');
SELECT is(asked('regress_mc_some', 'sex === ''x'''), 0::bigint, 'those of somebody under any policy are not');
ALTER TABLE coll DISABLE ROW LEVEL SECURITY;
SELECT cmp_ok(asked('regress_mc_clinic', 'donor_id === ''x'''), '>', 0::bigint, 'those of somebody with SELECT are');
SELECT cmp_ok(asked('regress_mc_some', 'sex === ''x'''), '>', 0::bigint, 'those of somebody with SELECT of the column are');

SELECT * FROM finish();
ROLLBACK;
