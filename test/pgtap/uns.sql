--
-- uns.sql
--		collection_uns: unstructured data of the files as jsonb, what of it is
--		left out, and who may see it.
--
BEGIN;
SELECT no_plan();
SET client_min_messages = warning;

SELECT create_collection('kinds', ARRAY[:'data' || '/h5ad/uns_of_all_kinds.h5ad', :'data' || '/h5ad/nullable.h5ad', :'data' || '/h5ad/uns_left_out.h5ad',
	:'data' || '/h5ad/uns_is_no_group.h5ad']);
SELECT results_eq('SELECT file_index, path FROM collection_uns(''kinds'')', 'SELECT file_index, path FROM collection_files(''kinds'')', 'a row a file');
SELECT is(uns #> '{scalars}', '{"int": -3, "u64": 18446744073709551615, "f32": 0.1, "f64": 0.1, "half": 0.5, "large": 1e300, "bool": true, "nan": null, "inf": null,
	"zero": 0, "big_endian": -70000, "none": null}'::jsonb, 'single values')
FROM collection_uns('kinds') WHERE file_index = 0;
SELECT is(uns #> '{arrays,matrix}', '[[1, 2.5], [null, 0]]'::jsonb, 'an array of two dimensions; what is NaN is null') FROM collection_uns('kinds') WHERE file_index = 0;
SELECT is(uns #> '{arrays,labels}', '["hi", null, "lo"]'::jsonb, 'a categorical is its labels') FROM collection_uns('kinds') WHERE file_index = 0;
SELECT is(uns #> '{arrays,integers}', '[1, null, 3]'::jsonb, 'a nullable array') FROM collection_uns('kinds') WHERE file_index = 0;
SELECT is(uns #>> '{rank_genes_groups,names,T/NK,1}', 'GNLY', 'a structured array is an object of arrays') FROM collection_uns('kinds') WHERE file_index = 0;
SELECT is(uns #>> '{strings,plain}', U&'sehr \00FCbel \+01F9EC', 'text') FROM collection_uns('kinds') WHERE file_index = 0;
SELECT is(uns #>> '{strings,escaped}', E'"\\/\b\t\n\x1f\x7f', 'and what is escaped in it') FROM collection_uns('kinds') WHERE file_index = 0;
SELECT is(jsonb_array_length(uns #> '{strings,chunked}'), 600, 'a long array') FROM collection_uns('kinds') WHERE file_index = 0;
SELECT is(uns #> '{d,d,d,d,d,d,d,d,d,d,d,d,d,d,d}', '{"bottom": 1}'::jsonb, 'deep down') FROM collection_uns('kinds') WHERE file_index = 0;
SELECT ok(skipped IS NULL, 'nothing is left out') FROM collection_uns('kinds') WHERE file_index = 0;
SELECT ok(uns IS NULL AND skipped IS NULL, 'a file without uns') FROM collection_uns('kinds') WHERE file_index = 1;
SELECT is(uns, U&'{"kept": "here", "n\FFFD": 2, "pair": {"a": [0], "b": [0]}, "part": {"kept": 5}}'::jsonb, 'what is kept of the others') FROM collection_uns('kinds') WHERE file_index = 2;
SELECT collect_tap(is(cardinality(skipped), 25, 'what is left out'), ok('uns/csr is a sparse matrix' = ANY (skipped), 'a reason that is a clause'),
	ok('uns/gone: could not open "gone"' = ANY (skipped), 'one that is not'), ok('uns/part/dropped has 100001 values, more than 100000' = ANY (skipped), 'a part of a part'))
FROM collection_uns('kinds') WHERE file_index = 2;
SELECT is(skipped, ARRAY['uns/* is no group'], 'uns that is none') FROM collection_uns('kinds') WHERE file_index = 3;

-- in plain SQL
SELECT results_eq($$SELECT key FROM collection_uns('kinds'), jsonb_object_keys(uns) AS key WHERE file_index = 0 ORDER BY key COLLATE "C"$$,
	$$VALUES ('arrays'), ('d'), ('empty'), ('rank_genes_groups'), ('scalars'), ('shared'), ('soft'), ('strings'), ('table')$$, 'its keys');

-- old files, a group of a file, one of 10x
SELECT create_collection('old', ARRAY[:'data' || '/h5ad/anndata_0_6.h5ad']);
SELECT is(uns, '{"kind_categories": ["a", "b"], "one_categories": "only"}'::jsonb, 'as anndata 0.6 wrote it') FROM collection_uns('old');
SELECT create_collection('rna', ARRAY[:'data' || '/h5ad/mudata.h5ad'], group_path => 'mod/rna');
SELECT is(uns, '{"method": "none"}'::jsonb, 'of a group') FROM collection_uns('rna');
SELECT create_collection('tenx', ARRAY[:'data' || '/h5ad/tenx_3.h5ad']);
SELECT ok(uns IS NULL AND skipped IS NULL, 'a 10x file has none') FROM collection_uns('tenx');
SELECT create_collection('loops', ARRAY[:'data' || '/h5ad/uns_loops.h5ad']);
SELECT collect_tap(is(uns -> 'kept', '1'::jsonb, 'groups that are their own members'), is(cardinality(skipped), 101, 'are left out somewhere'),
	is(skipped[101], 'uns/* has further elements that are left out', 'and not without end'))
FROM collection_uns('loops');

-- arguments and rights
SELECT throws_ok('SELECT * FROM collection_uns(NULL)', '22004', 'collection must not be null');
SELECT throws_ok('SELECT * FROM collection_uns(''pg_class'')', '42809', '"pg_class" is not a mappedcoll collection');
CREATE ROLE uns_reader;
CREATE ROLE uns_nobody;
GRANT SELECT (obs_name) ON kinds TO uns_reader;
SET ROLE uns_nobody;
SELECT throws_ok('SELECT * FROM collection_uns(''kinds'')', '42501', 'permission denied for table kinds');
RESET ROLE;
SET ROLE uns_reader;
SELECT is(count(uns), 2::bigint, 'who may see a column may see uns') FROM collection_uns('kinds');
RESET ROLE;
GRANT SELECT ON kinds TO uns_reader;
ALTER TABLE kinds ENABLE ROW LEVEL SECURITY;
CREATE POLICY certain ON kinds TO uns_reader USING (file_index = 2 OR row_index = 0);
SET ROLE uns_reader;
SELECT results_eq('SELECT file_index, uns IS NULL, skipped IS NULL FROM collection_uns(''kinds'')', 'VALUES (0, true, true), (1, true, true), (2, false, false), (3, true, true)',
	'under row-level security, of files whose rows are all visible only');
RESET ROLE;

SELECT * FROM finish();
ROLLBACK;
