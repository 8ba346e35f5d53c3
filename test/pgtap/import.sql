--
-- import.sql
--		IMPORT FOREIGN SCHEMA, and the tables of genes and of entries: their values
--		beside those of collections, conditions that go down to the read beside the
--		same on a copy, rights.
--
BEGIN;
SELECT no_plan();
SET client_min_messages = warning;

-- Import files (names below the directory of the test files) into a schema of that name.
CREATE FUNCTION import(schema text, data text, files text[], options text DEFAULT '', what text DEFAULT '') RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('DROP SCHEMA IF EXISTS %I CASCADE', schema);
	EXECUTE format('CREATE SCHEMA %I', schema);
	EXECUTE format('IMPORT FOREIGN SCHEMA label %s FROM SERVER mappedcoll INTO %I OPTIONS (files %L %s)', what, schema,
		ARRAY(SELECT data || '/' || f FROM unnest(files) WITH ORDINALITY AS u (f, i) ORDER BY i), options);
END $$;
CREATE FUNCTION tables(schema text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(relname, ' ' ORDER BY relname COLLATE "C") FROM pg_class WHERE relnamespace = schema::regnamespace
$$;
-- Entries of a collection's vectors (arrays), by the names of collection_vars
CREATE FUNCTION entries(coll regclass) RETURNS TABLE (row_index bigint, var_index bigint, gene text, value real) LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT c.row_index, i::bigint, var_name, v FROM %s c, unnest(x_indices, x_values) AS u (i, v), collection_vars(%L) '
		'WHERE var_index = i ORDER BY 1, 2', coll, coll);
END $$;
-- All values of a dense matrix
CREATE FUNCTION dense_entries(coll regclass) RETURNS TABLE (row_index bigint, var_index bigint, gene text, value real) LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT c.row_index, i - 1, var_name, v FROM %s c, unnest(x) WITH ORDINALITY AS u (v, i), collection_vars(%L) '
		'WHERE var_index = i - 1 AND NOT c.file_index = ANY (missing_in) ORDER BY 1, 2', coll, coll);
END $$;

-- what is made
SELECT import('demo', :'data', '{demo}', ', vectors ''array''');
SELECT is(tables('demo'), 'obs obsm var x', 'the tables of a directory');
SELECT results_eq('SELECT * FROM demo.var', 'SELECT var_index, var_name, n_files, missing_in, var->>''gene_id'' FROM collection_vars(''demo.obs'')',
	'genes, and what var says of them');
SELECT isnt((SELECT count(*) FROM demo.var WHERE gene_id LIKE 'ENSG%'), 0::bigint, 'which is something');
SELECT results_eq('SELECT * FROM demo.x WHERE row_index < 40', 'SELECT * FROM entries(''demo.obs'') WHERE row_index < 40', 'entries of a sparse file');
SELECT is((SELECT count(*) FROM demo.x), (SELECT sum(CASE encoding WHEN 'dense' THEN n_obs * 924 ELSE (SELECT count(*) FROM entries('demo.obs') AS e
	WHERE row_index >= first_row_index AND row_index < first_row_index + n_obs) END) FROM collection_files('demo.obs'))::bigint, 'as many as are stored, of a dense file all');
SELECT is((SELECT sum(value::float8) FROM demo.x), (SELECT sum(v::float8) FROM demo.obs, unnest(x_values) AS v), 'with their sum');
SELECT create_collection('made', ARRAY[:'data' || '/demo'], obsm => '{X_pca}');
SELECT results_eq('SELECT * FROM demo.obsm WHERE row_index % 100 = 0', 'SELECT row_index, "X_pca" FROM made WHERE row_index % 100 = 0', 'vectors of obsm');

-- the joins of axes
SELECT import('inner', :'data', '{h5ad/join_once.h5ad,h5ad/join_no_cells.h5ad,h5ad/join_repeated_csr.h5ad}', ', vectors ''array'', var_duplicates ''sum''');
SELECT results_eq('SELECT * FROM "inner".x', 'SELECT * FROM entries(''inner.obs'')', 'inner join, duplicates summed');
SELECT import('outer', :'data', '{h5ad/join_once.h5ad,h5ad/join_repeated_csr.h5ad,h5ad/join_no_genes.h5ad}', ', vectors ''array'', var_join ''outer'', var_duplicates ''first''');
SELECT results_eq('SELECT * FROM "outer".x', 'SELECT * FROM entries(''outer.obs'')', 'outer join, the first of duplicates');
SELECT results_eq('SELECT * FROM "outer".var', 'SELECT var_index, var_name, n_files, missing_in FROM collection_vars(''outer.obs'')', 'whose genes are not in all files');
SELECT import('dense', :'data', '{h5ad/join_once.h5ad,h5ad/join_repeated_dense.h5ad}', ', vectors ''array'', var_join ''outer'', var_duplicates ''first''');
SELECT results_eq('SELECT * FROM dense.x WHERE row_index > 0', 'SELECT * FROM dense_entries(''dense.obs'') WHERE row_index > 0', 'a dense file has all values of its genes');
SELECT results_eq('SELECT * FROM dense.x WHERE row_index = 0', 'SELECT * FROM entries(''dense.obs'') WHERE row_index = 0', 'beside a sparse one, which has what it stores');
SELECT results_eq($$SELECT * FROM dense.x WHERE gene IN ('A', 'D')$$, $$SELECT * FROM dense.x WHERE gene || '' IN ('A', 'D')$$, 'some genes of both');
SELECT import('raw', :'data', '{h5ad/join_raw_1.h5ad,h5ad/join_raw_2.h5ad}', ', vectors ''array'', layer ''raw/X'', var_join ''outer''');
SELECT results_eq('SELECT DISTINCT gene FROM raw.x ORDER BY 1', 'SELECT var_name FROM raw.var WHERE var_index IN (SELECT var_index FROM raw.x) ORDER BY 1', 'genes of raw/var');
SELECT results_eq('SELECT var_name, missing_in FROM raw.var', 'SELECT var_name, missing_in FROM collection_vars(''raw.obs'')', 'all of them');
-- raw/var's own columns
SELECT import('rawvar', :'data', '{h5ad/raw_categories.h5ad}', ', layer ''raw/X''');
SELECT results_eq('SELECT var_index, to_jsonb(v) - ''{var_index,var_name,n_files,missing_in}''::text[] FROM rawvar.var v', 'SELECT var_index, var FROM collection_vars(''rawvar.obs'')', 'columns of raw/var');
SELECT is((SELECT count(*) FROM rawvar.var WHERE kind LIKE 'raw%'), 2::bigint, 'not of var');

-- what is not there
SELECT import('bare', :'data', '{h5ad/join_no_x.h5ad}');
SELECT is(tables('bare'), 'obs var', 'no matrix, no obsm');
SELECT import('lacking', :'data', '{h5ad/join_once.h5ad,h5ad/join_no_x.h5ad}', ', var_join ''outer''');
SELECT throws_like('SELECT * FROM lacking.x', 'file "%join_no_x.h5ad" has no X', 'a file without the layer is told');
SELECT results_eq('SELECT count(*) FROM lacking.x WHERE row_index = 0', 'SELECT count(*) FROM "outer".x WHERE row_index = 0', 'the others can be read');
SELECT import('widths', :'data', '{h5ad/join_obsm_1.h5ad,h5ad/join_obsm_2.h5ad}');
SELECT is((SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'widths.obsm'::regclass AND attnum > 0),
	'row_index one same', 'an element of different widths is left out');

-- each file, parts of it, names
SELECT import('each', :'data', '{demo}', ', per_file ''true'', prefix ''p.''');
SELECT is(tables('each'), 'p.pbmc_site_a_obs p.pbmc_site_a_obsm p.pbmc_site_a_var p.pbmc_site_a_x p.pbmc_site_b_obs p.pbmc_site_b_var '
	'p.pbmc_site_b_x p.pbmc_site_c_obs p.pbmc_site_c_obsm p.pbmc_site_c_var p.pbmc_site_c_x', 'tables of each file');
SELECT is((SELECT count(*) FROM "each"."p.pbmc_site_b_obs"), (SELECT n_obs FROM collection_files('demo.obs') WHERE file_index = 1), 'which have its cells');
SELECT import('some', :'data', '{demo}', ', per_file ''true''', 'LIMIT TO (pbmc_site_a_x, pbmc_site_c_var, nothing)');
SELECT is(tables('some'), 'pbmc_site_a_x pbmc_site_c_var', 'LIMIT TO');
SELECT import('rest', :'data', '{demo}', ', prefix ''d_''', 'EXCEPT (d_obs, d_x)');
SELECT is(tables('rest'), 'd_obsm d_var', 'EXCEPT');
SELECT import('none', :'data', '{h5ad/not_hdf5.h5ad}', ', per_file ''true''', 'EXCEPT (not_hdf5_obs, not_hdf5_var, not_hdf5_x, not_hdf5_obsm)');
SELECT is(tables('none'), NULL, 'a file of which nothing is wanted is not opened');
SELECT import('wide', :'data', '{hostile/columns_beyond_limit.h5ad}', '', 'EXCEPT (obs)');
SELECT is(tables('wide'), 'var x', 'nor are its columns counted');
SELECT throws_ok(format('SELECT import(%L, %L, %L)', 'wide', :'data', '{hostile/columns_beyond_limit.h5ad}'), '54011', 'table "obs" can have at most 1600 columns', '1,600 columns');
SELECT import('names', :'data', '{names/names.h5ad}');
SELECT create_collection('named', ARRAY[:'data' || '/names/names.h5ad']);
SELECT is((SELECT count(*) FROM pg_attribute WHERE attrelid = 'names.obs'::regclass AND attnum > 0),
	(SELECT count(*) FROM pg_attribute WHERE attrelid = 'named'::regclass AND attnum > 0), 'names that are hard for SQL');

-- conditions on rows and genes beside the same on a copy
SET LOCAL enable_mergejoin = off;
CREATE TABLE copy_x AS SELECT * FROM demo.x WHERE row_index % 7 = 0 OR row_index BETWEEN 1490 AND 1510;
CREATE VIEW part_x AS SELECT * FROM demo.x WHERE row_index % 7 = 0 OR row_index BETWEEN 1490 AND 1510;
CREATE TABLE copy_var AS SELECT * FROM demo.var;
CREATE TABLE conditions (condition text);
INSERT INTO conditions VALUES ('gene = ''CD3D'''), ('gene IN (''CD3D'', ''CD3E'', ''no such gene'', NULL)'), ('gene = ANY (''{}'')'), ('gene = NULL'),
	('''CD3D'' = gene'), ('''CD3D'' ~ gene'), ('''CD3D'' LIKE gene'), ('gene <> ALL (''{CD3D,CD3E}'')'), ('gene LIKE ''CD3%'''), ('gene ILIKE ''cd3_'''), ('gene NOT LIKE ''%1%'''), ('gene ~ ''^CD[0-9]+D$'''),
	('gene !~* ''c'''), ('gene < ''B'''), ('gene COLLATE "C" BETWEEN ''A'' AND ''B'''), ('var_index = 408'), ('var_index IN (408, 576, -1, 99999)'), ('var_index < 5'),
	('var_index > 900 AND gene <> ''CD3D'''), ('var_index = 408 OR gene = ''CD3E'''), ('NOT (var_index < 900 OR gene LIKE ''C%'')'), ('gene IS NULL'),
	('(gene = ''CD3D'') IS NOT TRUE AND var_index < 3'), ('gene IS DISTINCT FROM ''CD3D'' AND var_index BETWEEN 400 AND 410'), ('var_index = 408.0'),
	('gene = (SELECT max(var_name) FROM copy_var)'), ('gene = ANY (ARRAY(SELECT var_name FROM copy_var WHERE var_index % 100 = 1))'), ('length(gene) = 3'),
	('upper(gene) = ''CD3D'''), ('row_index = 7'), ('row_index IN (7, 1500, 14, -1, 99999999)'), ('row_index = ANY (''{}'')'), ('row_index < 0'), ('row_index > 3190'),
	('row_index BETWEEN 1499 AND 1501'), ('row_index = 1500 AND var_index = 576'), ('row_index = var_index'), ('row_index > 3000 AND gene = ''CD3E'' AND value > 1'),
	('row_index = 14 AND value = 0'), ('value > 20 AND gene LIKE ''C%'''), ('row_index = (SELECT min(row_index) + 7 FROM copy_x)'), ('row_index IN (SELECT var_index FROM copy_var)');
CREATE FUNCTION digest(relation text, condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
	EXECUTE format('SELECT count(*) || '' '' || md5(string_agg(t::text, '','' ORDER BY t)) FROM %s AS t WHERE %s', relation, condition) INTO result;
	RETURN result;
END $$;
SELECT is(digest('part_x', condition), digest('copy_x', condition), concat_ws(' ', 'entries,', setting, condition))
	FROM (VALUES ('on'), ('off')) AS s (setting), set_config('mappedcoll.enable_pushdown', setting, true), conditions;
SELECT is(digest('(SELECT var_name AS gene, * FROM demo.var)', condition), digest('(SELECT var_name AS gene, * FROM copy_var)', condition), concat_ws(' ', 'genes,', setting, condition))
	FROM (VALUES ('off'), ('on')) AS s (setting), set_config('mappedcoll.enable_pushdown', setting, true), conditions WHERE condition !~ 'row_index|value';
RESET mappedcoll.enable_pushdown;
SELECT throws_ok('SELECT * FROM demo.x WHERE gene ~ ''(''', '2201B', NULL, 'an error of a condition');
-- a name of a gene that is no pattern matters where an entry has it, so such a condition stays with the executor
CREATE FUNCTION gene_conditions(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT JSON) SELECT 1 FROM demo.x WHERE ' || condition INTO plan;
	RETURN plan->0->'Plan'->>'Genes';
END $$;
SELECT is(gene_conditions(c), NULL, c || ' is looked at for each entry') FROM unnest(ARRAY['''CD3D'' ~ gene', '''CD3D'' LIKE gene', 'gene ~ gene', 'gene !~~ ALL (ARRAY[gene])']) AS c;
SELECT isnt(gene_conditions(c), NULL, c || ' for each gene') FROM unnest(ARRAY['gene ~ ''CD3D''', 'gene ~~ ANY (''{CD3D,CD3E}'')', 'gene LIKE (SELECT ''CD3%'')']) AS c;
SELECT results_eq('SELECT 1/(var_index - 408) FROM demo.x WHERE row_index = 7 AND var_index < 20', 'SELECT 1/(var_index - 408) FROM copy_x WHERE row_index = 7 AND var_index < 20', 'one that does not come');

-- joins: by row, by gene, both, laterally
CREATE TABLE picks AS SELECT (i * 37) % 3200 AS row_index, (ARRAY['CD3D', 'CD3E', 'no such gene'])[i % 3 + 1] AS gene FROM generate_series(1, 60) AS i;
CREATE TABLE all_x AS SELECT * FROM demo.x WHERE row_index IN (SELECT row_index FROM picks);
ANALYZE picks, all_x;
CREATE FUNCTION same(query text) RETURNS text LANGUAGE sql AS $$
	SELECT results_eq(format(query, 'demo.x'), format(query, 'all_x'), query)
$$;
SELECT same('SELECT p.*, value FROM picks p JOIN %s x USING (row_index, gene) ORDER BY 1, 2, 3') FROM (VALUES ('on'), ('off')) AS v (s), set_config('enable_hashjoin', s, true);
SELECT same('SELECT p.row_index, sum(value::float8) FROM picks p JOIN %s x USING (row_index) GROUP BY 1 ORDER BY 1');
SELECT same('SELECT p.*, q.value FROM picks p LEFT JOIN LATERAL (SELECT * FROM %s x WHERE x.row_index = p.row_index AND x.gene = p.gene OFFSET 0) q ON true ORDER BY 1, 2, 3');
SELECT same('SELECT p.*, q.n FROM picks p, LATERAL (SELECT count(*) AS n FROM %s x WHERE x.row_index = p.row_index AND x.gene < p.gene) q ORDER BY 1, 2, 3');
SELECT results_eq($$SELECT count(*) FROM demo.obs o JOIN demo.x x USING (row_index) WHERE cell_type = 'B cell' AND gene = 'CD3E'$$,
	$$SELECT count(*) FROM demo.x x WHERE gene = 'CD3E' AND row_index IN (SELECT row_index FROM demo.obs WHERE cell_type = 'B cell')$$, 'with obs');

-- prepared, in cursors, again
PREPARE by_gene (text, bigint) AS SELECT count(*), sum(value::float8) FROM demo.x WHERE gene = $1 AND row_index < $2;
SET LOCAL plan_cache_mode = force_generic_plan;
SELECT results_eq(format('EXECUTE by_gene (%L, %s)', g, n), format('SELECT count(*), sum(value::float8) FROM (SELECT * FROM demo.x OFFSET 0) x WHERE gene = %L AND row_index < %s', g, n), 'prepared')
	FROM unnest(ARRAY['CD3D', 'CD3E', 'none']) AS g, unnest(ARRAY[0, 100]) AS n;
DECLARE entries CURSOR FOR SELECT row_index, var_index FROM demo.x WHERE row_index < 3;
CREATE TABLE fetched (row_index bigint, var_index bigint);
DO $$ DECLARE c refcursor := 'entries'; r bigint; v bigint; BEGIN LOOP FETCH c INTO r, v; EXIT WHEN NOT FOUND; INSERT INTO fetched VALUES (r, v); END LOOP; END $$;
SELECT results_eq('SELECT * FROM fetched', 'SELECT row_index, var_index FROM entries(''demo.obs'') WHERE row_index < 3', 'a cursor gives them in their order');
SELECT is((SELECT array_agg(var_index) FROM (SELECT var_index FROM demo.x WHERE row_index = 5 ORDER BY var_index DESC LIMIT 3) s),
	(SELECT array_agg(var_index ORDER BY var_index DESC) FROM (SELECT var_index FROM entries('demo.obs') WHERE row_index = 5 ORDER BY 1 DESC LIMIT 3) s), 'another order');

-- genes chosen by var
SELECT import('tenx', :'data', '{h5ad/tenx_3.h5ad}', ', var_duplicates ''first''');
SELECT isnt((SELECT count(*) FROM collection_vars('tenx.obs') WHERE var->>'feature_types' = 'Gene Expression'), 0::bigint, 'collection_vars by a column of var');
SELECT results_eq($$SELECT indices, data FROM fetch_csr('tenx.obs', '{0}', genes => (SELECT array_agg(var_name) FROM collection_vars('tenx.obs') WHERE var->>'feature_types' = 'Gene Expression'))$$,
	$$SELECT indices, data FROM fetch_csr('tenx.obs', '{0}', genes => (SELECT array_agg(var_name ORDER BY var_index) FROM tenx.var WHERE feature_types = 'Gene Expression'))$$, 'chooses genes to fetch');
SELECT is((SELECT n_vars FROM sample_csr('demo.obs', 8, 'cell_type', seed => 1, genes => (SELECT array_agg(var_name) FROM collection_vars('demo.obs') WHERE var->>'gene_id' LIKE '%1'))),
	(SELECT count(*)::int FROM demo.var WHERE gene_id LIKE '%1'), 'and to sample');
SELECT results_eq('SELECT var FROM collection_vars(''made'') LIMIT 5', 'SELECT jsonb_build_object(''gene_id'', gene_id) FROM demo.var LIMIT 5', 'one object a gene');

-- functions that take a collection take no other table; refresh_collection does
SELECT throws_ok(q, '42809', format('"%s" is not a mappedcoll collection', t), q) FROM unnest(ARRAY['var', 'x', 'obsm']) AS t, LATERAL unnest(ARRAY[
	format('SELECT * FROM sample_batch(''demo.%s'', 2)', t), format('SELECT * FROM sample_rows(''demo.%s'', 2)', t), format('SELECT * FROM sample_csr(''demo.%s'', 2)', t),
	format('SELECT * FROM sample_dense(''demo.%s'', 2)', t), format('SELECT * FROM fetch_csr(''demo.%s'', ''{1}'')', t), format('SELECT sample_size(''demo.%s'')', t),
	format('SELECT sample_fingerprint(''demo.%s'')', t), format('SELECT * FROM labels(''demo.%s'', ''cell_type'')', t), format('SELECT * FROM collection_files(''demo.%s'')', t),
	format('SELECT * FROM collection_vars(''demo.%s'')', t), format('SELECT * FROM measured_genes(''demo.%s'')', t)]) AS q;
SELECT is(refresh_collection(('demo.' || t)::regclass), 0, 'refresh_collection of ' || t) FROM unnest(ARRAY['obs', 'var', 'x', 'obsm']) AS t;
SELECT is((SELECT count(*) FROM sample_batch('demo.obs', 16, 'cell_type', seed => 1)), 16::bigint, 'the table of cells is a collection');

-- tables by hand: names of one's own, other types, columns dropped
SELECT set_config('test.files', ARRAY[:'data' || '/demo']::text, true);
DO $$ BEGIN
	EXECUTE format('CREATE FOREIGN TABLE by_hand (cell bigint OPTIONS (field ''row_index''), gone real, symbol text OPTIONS (field ''gene''), value real) SERVER mappedcoll OPTIONS (content ''x'', files %L)',
		(SELECT array_agg(path ORDER BY file_index) FROM collection_files('demo.obs'))::text);
	EXECUTE format('CREATE FOREIGN TABLE var_by_hand (name varchar(5) OPTIONS (var ''gene_id''), var_index bigint, wrong int OPTIONS (var ''gene_id'')) SERVER mappedcoll OPTIONS (content ''var'', files %L)',
		(SELECT array_agg(path ORDER BY file_index) FROM collection_files('demo.obs'))::text);
END $$;
SELECT throws_ok('SELECT * FROM by_hand', 'HV005', 'column "gone" shows nothing that a table of content x has', 'a column of nothing');
ALTER FOREIGN TABLE by_hand DROP COLUMN gone;
ALTER FOREIGN TABLE by_hand RENAME COLUMN symbol TO "the gene";
SELECT results_eq('SELECT * FROM by_hand WHERE "the gene" = ''CD3D'' AND cell < 50', 'SELECT row_index, gene, value FROM demo.x WHERE gene = ''CD3D'' AND row_index < 50', 'columns of other names');
SELECT throws_ok('SELECT name FROM var_by_hand', '22001', NULL, 'what a type does not take is an error of it');
SELECT throws_ok('SELECT wrong FROM var_by_hand', '22P02', NULL, 'or of its input');
ALTER FOREIGN TABLE var_by_hand ALTER COLUMN name TYPE varchar(50);
SELECT results_eq('SELECT name FROM var_by_hand', 'SELECT gene_id::varchar FROM demo.var', 'and fits');
ALTER FOREIGN TABLE var_by_hand ALTER COLUMN name OPTIONS (SET var 'none');
SELECT throws_ok('SELECT name FROM var_by_hand', 'HV005', 'no file of the collection has the var column "none"', 'a column of no file');
SELECT throws_ok(q, NULL, NULL, q) FROM unnest(ARRAY['SELECT ctid FROM demo.x', 'SELECT xmin FROM demo.var', 'UPDATE demo.x SET value = 1', 'DELETE FROM demo.var', 'INSERT INTO demo.x VALUES (1)']) AS q;
SELECT is((SELECT count(*) FROM demo.var v WHERE v IS NOT NULL AND tableoid = 'demo.var'::regclass), 924::bigint, 'whole rows and tableoid');
SELECT lives_ok('SELECT * FROM picks p JOIN demo.x x USING (row_index, gene) FOR UPDATE OF p', 'row locks of others');
SELECT lives_ok('UPDATE picks SET gene = v.gene_id FROM demo.var v WHERE v.var_name = gene', 'UPDATE of others');

-- partitioned tables above them: TABLESAMPLE is refused
CREATE TABLE above (LIKE demo.x) PARTITION BY RANGE (row_index);
ALTER TABLE above ATTACH PARTITION demo.x FOR VALUES FROM (MINVALUE) TO (MAXVALUE);
SELECT throws_ok(q, '0A000', 'TABLESAMPLE cannot be applied to a table of content x', q) FROM unnest(ARRAY['SELECT * FROM above TABLESAMPLE bernoulli (10)', 'SELECT * FROM above TABLESAMPLE weighted (''gene'')']) AS q;
SELECT results_eq('SELECT * FROM above WHERE row_index = 7', 'SELECT * FROM copy_x WHERE row_index = 7', 'else it is read like any');

-- rights
CREATE ROLE regress_mc_import;
CREATE ROLE regress_mc_import_files IN ROLE pg_read_server_files;
CREATE SCHEMA theirs;
GRANT USAGE ON SCHEMA demo, theirs TO regress_mc_import, regress_mc_import_files;
GRANT CREATE ON SCHEMA theirs TO regress_mc_import, regress_mc_import_files;
GRANT USAGE ON FOREIGN SERVER mappedcoll TO regress_mc_import;
GRANT SELECT (row_index, gene) ON demo.x TO regress_mc_import;
SELECT set_config('test.import', format('IMPORT FOREIGN SCHEMA %I FROM SERVER mappedcoll INTO theirs OPTIONS (files %L)', '/nonexistent', ARRAY[:'data' || '/demo/pbmc_site_c.h5ad']), true);
SET LOCAL ROLE regress_mc_import;
SELECT throws_ok(current_setting('test.import'), '42501', 'permission denied to set the files of a collection', 'IMPORT needs pg_read_server_files');
SELECT throws_ok('IMPORT FOREIGN SCHEMA "/nonexistent" FROM SERVER mappedcoll INTO theirs', '42501', 'permission denied to set the files of a collection', 'before a path is looked at');
SELECT throws_ok('IMPORT FOREIGN SCHEMA a FROM SERVER mappedcoll INTO theirs OPTIONS (nonsense ''1'')', '42501', 'permission denied to set the files of a collection', 'or anything else');
SELECT isnt_empty('SELECT row_index, gene FROM demo.x WHERE gene = ''CD3D'' LIMIT 1', 'columns that were granted');
SELECT throws_ok('SELECT value FROM demo.x', '42501', NULL, 'others');
SELECT throws_ok('SELECT count(*) FROM demo.var', '42501', NULL, 'other tables');
SELECT throws_ok('EXPLAIN SELECT count(*) FROM demo.var', '42501', NULL, 'nor their plans');
RESET ROLE;
SET LOCAL ROLE regress_mc_import_files;
SELECT lives_ok(current_setting('test.import'), 'with it, it works');
SELECT is((SELECT count(*) > 0 FROM theirs.x), true, 'and the tables are theirs');
RESET ROLE;

-- a barrier view: conditions of the query see no gene that it hides
CREATE FUNCTION tell(text) RETURNS boolean COST 0.0001 LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'told %', $1; RETURN true; END $$;
CREATE VIEW barrier WITH (security_barrier) AS SELECT * FROM demo.x WHERE gene IN ('CD3D', 'CD3E') AND row_index IN (SELECT row_index FROM demo.obs WHERE cell_type = 'B cell');
CREATE FUNCTION told(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint; BEGIN EXECUTE query INTO n; RETURN n; END $$;
CREATE TABLE genes_told (gene text);
CREATE FUNCTION note(text) RETURNS boolean COST 0.0001 LANGUAGE plpgsql AS $$ BEGIN INSERT INTO genes_told VALUES ($1); RETURN true; END $$;
SELECT is(told('SELECT count(*) FROM barrier WHERE note(gene)'), (SELECT count(*) FROM barrier), 'all of the view');
SELECT is((SELECT string_agg(DISTINCT gene, ' ') FROM genes_told), (SELECT string_agg(DISTINCT gene, ' ') FROM barrier), 'a function sees no other gene');
SELECT is((SELECT count(*) FROM genes_told), (SELECT count(*) FROM barrier), 'nor another entry');

-- DDL
CREATE SCHEMA elsewhere;
ALTER FOREIGN TABLE demo.var SET SCHEMA elsewhere;
ALTER FOREIGN TABLE elsewhere.var RENAME TO "gènes ""quoted""";
COMMENT ON FOREIGN TABLE elsewhere."gènes ""quoted""" IS 'genes';
COMMENT ON COLUMN elsewhere."gènes ""quoted""".var_name IS 'name';
SET LOCAL search_path = elsewhere, public;
SELECT is((SELECT count(*) FROM "gènes ""quoted"""), 924::bigint, 'moved and renamed');
SELECT is(obj_description('"gènes ""quoted"""'::regclass), 'genes', 'with its comment');
SAVEPOINT before;
DROP FOREIGN TABLE "gènes ""quoted""";
SELECT throws_ok('SELECT 1 FROM "gènes ""quoted"""', '42P01', NULL, 'dropped');
ROLLBACK TO before;
SELECT is((SELECT count(*) FROM "gènes ""quoted"""), 924::bigint, 'and not dropped');
ALTER FOREIGN TABLE "gènes ""quoted""" OPTIONS (SET content 'x');
SELECT throws_ok('SELECT * FROM "gènes ""quoted"""', 'HV005', NULL, 'another content has other columns');
SELECT throws_ok('ALTER FOREIGN TABLE "gènes ""quoted""" OPTIONS (SET content ''uns'')', '22023', 'invalid content: "uns"', 'no such content');

SELECT * FROM finish();
ROLLBACK;
