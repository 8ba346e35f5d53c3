--
-- names.sql
--		Names in the files that are hard for SQL.
--
\set names :data '/names/names.h5ad'
SELECT create_collection('coll', ARRAY[:'names'], genes => ARRAY['GENE1', 'x', 'row_index', 'HLA-A', 'GENE"3', repeat('g', 80)],
	obsm => ARRAY['x', 'GENE1'], vectors => 'array');
\d coll
SELECT attname, attfdwoptions FROM pg_attribute
WHERE attrelid = 'coll_h5ad'::regclass AND attnum > 0 ORDER BY attnum;

-- each column holds its own values: 100 times the row, and its place in obs
SELECT * FROM coll WHERE row_index = 2 \gx

-- weight_by: an exact name comes before a list of names
SELECT label, n_rows FROM labels('coll', 'cell_type') ORDER BY 1;
SELECT label, n_rows FROM labels('coll', 'CELL_TYPE') ORDER BY 1;
SELECT label, n_rows FROM labels('coll', 'Cell_Type') ORDER BY 1;
SELECT count(*) FROM labels('coll', 'Cell Type');
SELECT count(*) FROM labels('coll', '"Cell Type", cell_type');
SELECT count(*) FROM labels('coll', 'age(days)');
SELECT count(*) FROM labels('coll', 'quo"ted');
SELECT count(*) FROM labels('coll', '"quo""ted"');
SELECT count(*) FROM labels('coll', 'apos''trophe; --');
SELECT count(*) FROM labels('coll', 'select');
SELECT count(*) FROM labels('coll', 'größe, "таблица"');
SELECT count(*) FROM labels('coll', ' blank ');
SELECT count(*) FROM labels('coll', 'obs_row_index');
SELECT count(*) FROM labels('coll', 'file_index');
SELECT count(*) FROM labels('coll', 'obs_file_index');
-- a__b with c, and a with b__c: two labels of the same text are one
SELECT label, n_rows FROM labels('coll', 'cell_type, "CELL_TYPE"') ORDER BY 1;
SELECT label, count(*) FROM sample_batch('coll', 1200, 'cell_type, "CELL_TYPE"', seed => 1) GROUP BY 1 ORDER BY 1;

-- in a filter and in TABLESAMPLE
SELECT DISTINCT row_index FROM sample_batch('coll', 50, seed => 1, filter => '"apos''trophe; --" > 200 AND "Cell Type" < 300');
SELECT count(*) FROM coll TABLESAMPLE weighted('"Cell Type"') REPEATABLE (1);
DROP TABLE coll;
