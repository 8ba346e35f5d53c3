--
-- write.sql
--		A collection is read-only: every way of writing to it.
--
\set c :data '/demo/pbmc_site_c.h5ad'
SELECT create_collection('coll', ARRAY[:'c']);
CREATE TABLE source (row_index bigint);
INSERT INTO source VALUES (3);

INSERT INTO coll (row_index) VALUES (1);	-- ERROR
INSERT INTO coll SELECT * FROM coll;	-- ERROR
INSERT INTO coll (row_index) VALUES (1) ON CONFLICT DO NOTHING;	-- ERROR
INSERT INTO coll (row_index) VALUES (NULL);	-- ERROR
INSERT INTO coll_h5ad (row_index) VALUES (1);	-- ERROR
WITH i AS (INSERT INTO coll (row_index) VALUES (1) RETURNING *) SELECT * FROM i;	-- ERROR
UPDATE coll SET cell_type = 'B cell';	-- ERROR
UPDATE coll SET cell_type = 'B cell' WHERE row_index = 3;	-- ERROR
UPDATE coll SET cell_type = 'B cell' FROM source WHERE source.row_index = coll.row_index;	-- ERROR
UPDATE coll_h5ad SET cell_type = 'B cell';	-- ERROR
DELETE FROM coll;	-- ERROR
DELETE FROM coll WHERE row_index = 3 RETURNING *;	-- ERROR
DELETE FROM coll_h5ad;	-- ERROR
TRUNCATE coll;	-- ERROR
TRUNCATE coll_h5ad;	-- ERROR
COPY coll (row_index) FROM STDIN;	-- ERROR
1
\.
COPY coll_h5ad (row_index) FROM STDIN;	-- ERROR
1
\.

-- what a table of this kind cannot have
ALTER TABLE coll ADD PRIMARY KEY (row_index);	-- ERROR
CREATE INDEX ON coll_h5ad (cell_type);	-- ERROR
ALTER TABLE coll ADD CHECK (row_index >= 0);
SELECT count(*) FROM coll;
CREATE TABLE more PARTITION OF coll FOR VALUES FROM (500) TO (600);	-- ERROR
CREATE TABLE more PARTITION OF coll DEFAULT;
SELECT count(*) FROM sample_batch('coll', 1);	-- ERROR
DROP TABLE more;
SELECT count(*) FROM sample_batch('coll', 1);
ALTER TABLE coll DETACH PARTITION coll_h5ad;
SELECT count(*) FROM coll;
SELECT count(*) FROM sample_batch('coll', 1);	-- ERROR
SELECT count(*) FROM sample_batch('coll_h5ad', 1);
ALTER TABLE coll ATTACH PARTITION coll_h5ad FOR VALUES FROM (MINVALUE) TO (MAXVALUE);
SELECT count(*) FROM sample_batch('coll', 1);

-- nothing has changed
SELECT count(*), md5(string_agg(coll::text, ',' ORDER BY row_index)) = (
	SELECT md5(string_agg(c::text, ',' ORDER BY row_index)) FROM coll_h5ad c) AS same
FROM coll;
DROP TABLE coll, source;
