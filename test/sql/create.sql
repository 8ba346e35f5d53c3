--
-- create.sql
--		create_collection: tables, columns, arguments, names.
--
\set a :data '/demo/pbmc_site_a.h5ad'
\set b :data '/demo/pbmc_site_b.h5ad'
\set c :data '/demo/pbmc_site_c.h5ad'
\set demo :data '/demo'
\set glob :data '/demo/*_[ab].h5ad'

-- a directory
SELECT create_collection('coll', ARRAY[:'demo']);
\d coll
\d+ coll
\d+ coll_h5ad
SELECT file_index, replace(path, :'data', '/data') AS path, first_row_index,
	n_obs, n_vars, encoding, dtype, nnz, size, modified IS NOT NULL AS modified
FROM collection_files('coll');
SELECT count(*), min(row_index), max(row_index), count(DISTINCT file_index)
FROM coll;

-- genes: the inner join has those of all files, in the order of the first
SELECT count(*), min(n_files), max(n_files), max(cardinality(missing_in))
FROM collection_vars('coll');
SELECT * FROM collection_vars('coll') ORDER BY var_index LIMIT 5;

-- the name is taken
SELECT create_collection('coll', ARRAY[:'demo']);	-- ERROR
-- that of the partition is taken: it gets another one
CREATE VIEW coll2_h5ad AS SELECT 1 AS one;
SELECT create_collection('coll2', ARRAY[:'demo']);
SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'coll2'::regclass;
DROP TABLE coll2;
DROP VIEW coll2_h5ad;

-- what describes it
COMMENT ON TABLE coll IS 'blood of ten donors';
COMMENT ON COLUMN coll.donor_id IS 'as in the donor registry';
SELECT obj_description('coll'::regclass),
	col_description('coll'::regclass, attnum)
FROM pg_attribute WHERE attrelid = 'coll'::regclass AND attname = 'donor_id';

-- a renamed column keeps its content, and its new name counts
ALTER TABLE coll RENAME COLUMN cell_type TO kind;
SELECT kind, count(*) FROM coll GROUP BY kind ORDER BY 2 DESC, 1;
SELECT label, n_rows FROM labels('coll', 'kind') ORDER BY n_rows DESC, 1 LIMIT 2;
SELECT label, n_rows FROM labels('coll', 'cell_type');	-- ERROR
ALTER TABLE coll RENAME COLUMN row_index TO i;
ALTER TABLE coll RENAME COLUMN x_values TO "Entries";
SELECT i, length("Entries") FROM coll WHERE i IN (3, 2000);
SELECT * FROM coll WHERE row_index = 3;	-- ERROR
SELECT count(DISTINCT row_index) FROM sample_batch('coll', 16, seed => 1);

-- a dropped column is gone, the others stay
ALTER TABLE coll DROP COLUMN obs_name, DROP COLUMN x;
SELECT i, kind, donor_id FROM coll WHERE i = 1500;
SELECT * FROM sample_batch('coll', 1);	-- ERROR

-- a column that the files lack
ALTER TABLE coll ADD COLUMN tissue text;
SELECT i, donor_id FROM coll WHERE i = 1500;
SELECT tissue FROM coll WHERE i = 1500;	-- ERROR
ALTER TABLE coll DROP COLUMN tissue;

-- DROP takes the partition with it
ALTER TABLE coll RENAME TO coll_new_name;
SELECT count(*) FROM coll_new_name;
DROP TABLE coll_new_name;
SELECT relname FROM pg_class WHERE relname ~ '^coll(_|2|$)';

-- a glob, a path; each file once; the order of the elements
SELECT create_collection('coll', ARRAY[:'c', :'glob', :'a', :'demo']);
SELECT file_index, replace(path, :'data', '/data') AS path, first_row_index
FROM collection_files('coll');
DROP TABLE coll;

-- layers, genes, obsm, arrays
SELECT create_collection('coll', ARRAY[:'a'], layer => 'layers/counts',
	vectors => 'array', genes => ARRAY['CD3D', 'MS4A1', 'CD3D'],
	obsm => ARRAY['X_pca']);
\d coll
SELECT row_index, "CD3D", "MS4A1", "X_pca"[1:2], cardinality("X_pca") AS n_pca,
	cardinality(x) AS n_x, x_indices[1:5], x_values[1:5]
FROM coll WHERE row_index IN (0, 1499);
DROP TABLE coll;

-- a layer that a file lacks is one error, not rows of zeros
SELECT create_collection('coll', ARRAY[:'a', :'b'], layer => 'layers/counts');	-- ERROR
SELECT create_collection('coll', ARRAY[:'a'], layer => 'layers/count');	-- ERROR
SELECT create_collection('coll', ARRAY[:'a'], layer => 'raw/X');	-- ERROR
SELECT create_collection('coll', ARRAY[:'a'], layer => 'raw');	-- ERROR
SELECT create_collection('coll', ARRAY[:'a'], layer => 'layers/');	-- ERROR
SELECT create_collection('coll', ARRAY[:'a'], layer => '');	-- ERROR

-- an embedding that a file lacks is NULL there
SELECT create_collection('coll', ARRAY[:'demo'], obsm => ARRAY['X_pca']);
SELECT file_index, count(*), count("X_pca"), min(cardinality("X_pca"))
FROM coll GROUP BY 1 ORDER BY 1;
DROP TABLE coll;
SELECT create_collection('coll', ARRAY[:'b'], obsm => ARRAY['X_pca']);	-- ERROR
SELECT create_collection('coll', ARRAY[:'a'], genes => ARRAY['cd3d']);	-- ERROR

-- the outer join: all genes, in the order of their first appearance
SELECT create_collection('coll', ARRAY[:'demo'], var_join => 'outer');
SELECT n_files, count(*) FROM collection_vars('coll') GROUP BY 1 ORDER BY 1;
SELECT missing_in, count(*) FROM collection_vars('coll') GROUP BY 1 ORDER BY 1;
SELECT DISTINCT length(x) / 4 AS n_genes FROM coll
WHERE row_index IN (0, 1500, 2700);
DROP TABLE coll;

-- names: a schema, quotes, capitals, other letters
CREATE SCHEMA "My Lab";
SELECT create_collection('"My Lab"."Coll ""1"" größe"', ARRAY[:'c']);
\d "My Lab".*
SELECT count(*) FROM "My Lab"."Coll ""1"" größe";
SELECT label, n_rows FROM labels('"My Lab"."Coll ""1"" größe"', 'severity') ORDER BY 1;
SELECT count(x) FROM sample_batch('"My Lab"."Coll ""1"" größe"', 8, 'severity');
SELECT refresh_collection('"My Lab"."Coll ""1"" größe"');
DROP SCHEMA "My Lab" CASCADE;
SELECT create_collection('Coll', ARRAY[:'c']);
DROP TABLE coll;
SELECT create_collection('no_schema.coll', ARRAY[:'c']);	-- ERROR
SELECT create_collection('pg_catalog.coll', ARRAY[:'c']);	-- ERROR
SELECT create_collection('no_database.public.coll', ARRAY[:'c']);	-- ERROR
SELECT create_collection('', ARRAY[:'c']);	-- ERROR
SELECT create_collection('coll; DROP TABLE x', ARRAY[:'c']);	-- ERROR

-- a name as long as names can be
SELECT create_collection(repeat('n', 63), ARRAY[:'c']);
SELECT relname, length(relname), relkind FROM pg_class
WHERE relname LIKE 'nnn%' ORDER BY relkind;
DO $$ BEGIN EXECUTE 'DROP TABLE ' || repeat('n', 63); END $$;

-- a temporary collection goes with the session
SELECT create_collection('pg_temp.coll', ARRAY[:'c']);
SELECT relpersistence, count(*) FROM pg_class WHERE relname ~ '^coll(_h5ad)?$' GROUP BY 1;
SELECT count(*) FROM coll;
DROP TABLE coll;

-- files that are not there, and the like
SELECT create_collection('coll', '{}');	-- ERROR
SELECT create_collection('coll', ARRAY['pbmc.h5ad']);	-- ERROR
SELECT create_collection('coll', ARRAY['']);	-- ERROR
SELECT create_collection('coll', ARRAY[NULL]);	-- ERROR
SELECT create_collection('coll', ARRAY[ARRAY[:'a', :'b'], ARRAY[:'b', :'c']]);	-- ERROR
SELECT create_collection('coll', ARRAY[:'demo' || '/none.h5ad']);	-- ERROR
SELECT create_collection('coll', ARRAY[:'demo' || '/none*.h5ad']);	-- ERROR
SELECT create_collection('coll', ARRAY[:'data']);	-- ERROR
SELECT create_collection('coll', ARRAY['/dev/null']);	-- ERROR
SELECT create_collection('coll', ARRAY[:'data' || '/make_demo.py']);	-- ERROR
SELECT create_collection('coll', ARRAY[:'a'], var_join => 'left');	-- ERROR
SELECT create_collection('coll', ARRAY[:'a'], vectors => 'json');	-- ERROR
SELECT create_collection(NULL, ARRAY[:'a']);	-- ERROR
SELECT create_collection('coll', NULL);	-- ERROR
SELECT create_collection('coll', ARRAY[:'a'], layer => NULL);	-- ERROR
SELECT create_collection('coll', ARRAY[:'a'], var_join => NULL);	-- ERROR
SELECT create_collection('coll', ARRAY[:'a'], vectors => NULL);	-- ERROR
SELECT create_collection('coll', ARRAY[:'a'], genes => NULL);	-- ERROR
SELECT create_collection('coll', ARRAY[:'a'], genes => ARRAY[NULL]);	-- ERROR
SELECT create_collection('coll', ARRAY[:'a'], obsm => NULL);	-- ERROR

-- nothing is left of those that failed
SELECT relname FROM pg_class WHERE relname ~ '^coll(_|2|$)';
