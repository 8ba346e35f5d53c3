--
-- group.sql
--		AnnData in a group of a file: modalities of MuData, genomes of 10x files.
--		mudata.h5ad has mod/rna, mod/prot (with layers/half = X / 2) and
--		mod/more/mod/atac, each of 4 cells and the genes g0 to g2.
--
BEGIN;
SELECT no_plan();
SET client_min_messages = warning;
SELECT set_config('test.mudata', :'data' || '/h5ad/mudata.h5ad', true), set_config('test.genomes', :'data' || '/h5ad/tenx_2_genomes.h5ad', true) \g /dev/null
CREATE FUNCTION pg_temp.make(name text, file text, group_path text, layer text DEFAULT 'X', var_duplicates text DEFAULT 'error') RETURNS regclass
LANGUAGE sql AS $$
	SELECT create_collection(name, ARRAY[current_setting('test.' || file)], layer => layer, vectors => 'array', group_path => group_path,
		var_duplicates => var_duplicates)
$$;

SELECT pg_temp.make('rna', 'mudata', 'mod/rna') \g /dev/null
SELECT pg_temp.make('half', 'mudata', 'mod/prot', 'layers/half') \g /dev/null
SELECT pg_temp.make('prot', 'mudata', 'mod/prot') \g /dev/null
SELECT results_eq('SELECT obs_name, x FROM rna ORDER BY row_index',
	$$VALUES ('c0', '{1,0,2}'::real[]), ('c1', '{0,3,0}'), ('c2', '{0,0,0}'), ('c3', '{4,5,6}')$$, 'a modality');
SELECT results_eq('SELECT x FROM half ORDER BY row_index', $$VALUES ('{0.5,0,1}'::real[]), ('{0,1.5,0}'), ('{0,0,0}'), ('{2,2.5,3}')$$,
	'a layer of another one of the same file');
SELECT results_eq('SELECT x FROM prot ORDER BY row_index', 'SELECT x FROM rna ORDER BY row_index', 'and its X');
SELECT is((SELECT count(*) FROM sample_batch('half', 100, seed => 1) WHERE length(x) = 12), 100::bigint, 'sampled');
SELECT is((SELECT string_agg(var_name, ' ' ORDER BY var_index) FROM collection_vars('rna')), 'g0 g1 g2', 'its genes, not those of all modalities');

-- two groups with the same matrix are two manifests
SELECT pg_temp.make('hg19', 'genomes', 'hg19', var_duplicates => 'sum') \g /dev/null
SELECT pg_temp.make('mm10', 'genomes', 'mm10', var_duplicates => 'sum') \g /dev/null
SELECT results_eq('SELECT h.x, m.x FROM hg19 h JOIN mm10 m USING (row_index) ORDER BY row_index',
	$$VALUES ('{3,0}'::real[], '{11,0}'::real[]), ('{0,3}', '{0,3}'), ('{0,0}', '{0,0}'), ('{10,5}', '{10,5}')$$, 'genomes of a 10x file');
ALTER FOREIGN TABLE hg19_h5ad OPTIONS (SET "group" 'mm10');
SELECT results_eq('SELECT x FROM hg19 ORDER BY row_index', 'SELECT x FROM mm10 ORDER BY row_index', 'another group after ALTER FOREIGN TABLE');
SELECT is(refresh_collection('mm10'), 0, 'there is nothing to refresh');
SELECT is((SELECT ftoptions::text ~ 'group=mod/rna' FROM pg_foreign_table WHERE ftrelid = 'rna_h5ad'::regclass), true, 'the option of the foreign table');
CREATE FUNCTION pg_temp.explain(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE line text; result text = '';
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (VERBOSE, COSTS off) ' || query LOOP
		result = result || line || E'\n';
	END LOOP;
	RETURN result;
END $$;
SELECT matches(pg_temp.explain('SELECT x FROM rna'), 'Group: mod/rna\n +Layer: X\n', 'EXPLAIN VERBOSE shows it');
SELECT alike(pg_temp.explain('SELECT x FROM hg19'), '%Group: mm10%', 'also of a 10x file');

-- a group that is not there, and what cannot be one
SELECT throws_ok($$SELECT pg_temp.make('no', 'mudata', 'mod/none')$$, '42704', format('file "%s": there is no group "mod/none"', current_setting('test.mudata')), 'no such group');
SELECT throws_like($$SELECT pg_temp.make('no', 'mudata', '')$$, '%not an AnnData file', 'a MuData file without group');
SELECT throws_like($$SELECT pg_temp.make('no', 'genomes', '')$$, '%matrices of several genomes', 'of two genomes without group');
SELECT throws_ok(format('SELECT pg_temp.make(''no'', ''mudata'', %L)', g), '22023', format('invalid group: "%s"', g), 'invalid: ' || g)
FROM unnest('{/,/mod/rna,mod/rna/,mod//rna,.,..,./mod,mod/../mod/rna,mod/.}'::text[]) AS g;
SELECT throws_ok($$SELECT pg_temp.make('no', 'mudata', repeat('g', 1024))$$, '22023', 'group is too long', 'too long');
SELECT throws_like($$SELECT pg_temp.make('no', 'mudata', repeat('g', 1023))$$, '%there is no group%', 'long, but not there');
SELECT throws_ok($$SELECT create_collection('no', '{/nowhere}', group_path => NULL)$$, '22004', 'group_path must not be null', 'NULL');
SELECT throws_ok($$ALTER FOREIGN TABLE rna_h5ad OPTIONS (SET "group" '../x')$$, '22023', 'invalid group: "../x"', 'of the foreign table');
SELECT lives_ok($$ALTER FOREIGN TABLE rna_h5ad OPTIONS (DROP "group")$$, 'dropped');
SELECT throws_like('SELECT x FROM rna', '%not an AnnData file', 'the file has none at its root');
SELECT * FROM finish();
ROLLBACK;
