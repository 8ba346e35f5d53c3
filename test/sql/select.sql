--
-- select.sql
--		Queries over a collection as over any table.
--
\set demo :data '/demo'
SELECT create_collection('coll', ARRAY[:'demo']);

-- conditions on row_index go down to the read; each is compared with the same
-- condition above a fence (OFFSET 0)
SELECT row_index, file_index, obs_name, cell_type FROM coll WHERE row_index = 1500;
SELECT row_index FROM coll WHERE 3199 = row_index;
SELECT row_index FROM coll WHERE row_index = 3200;
SELECT row_index FROM coll WHERE row_index = -1;
SELECT row_index FROM coll WHERE row_index = 9223372036854775807;
SELECT row_index FROM coll WHERE row_index = (-9223372036854775808)::bigint;
SELECT row_index FROM coll WHERE row_index = NULL::bigint;
SELECT row_index FROM coll WHERE row_index = 5::smallint OR row_index = 7::bigint;
SELECT row_index FROM coll WHERE row_index = 5::smallint;
SELECT row_index FROM coll WHERE row_index = 5::integer;
SELECT row_index FROM coll WHERE row_index = 5.0;
SELECT row_index FROM coll WHERE row_index = 5.5;
SELECT row_index FROM coll WHERE row_index IN (2700, 5, 2699, 5, -3, 99999);
SELECT row_index FROM coll WHERE row_index = ANY ('{}'::bigint[]);
SELECT row_index FROM coll WHERE row_index = ANY (NULL::bigint[]);
SELECT row_index FROM coll WHERE row_index = ANY ('{NULL,17,NULL}'::bigint[]);
SELECT row_index FROM coll WHERE row_index = ANY ('{NULL}'::bigint[]);
SELECT row_index FROM coll WHERE row_index = ANY ('{{1,3},{2,NULL}}'::int[]);
SELECT row_index FROM coll WHERE row_index = ANY ('{12,11}'::smallint[]);
SELECT row_index FROM coll WHERE row_index = ANY ('[5:6]={4,8}'::int[]);
SELECT row_index FROM coll WHERE row_index = ANY ('{1,2,2.5}'::numeric[]);
SELECT count(*) FROM coll WHERE row_index <> ALL ('{1,2,3}');
SELECT count(*) FROM coll WHERE row_index = ALL ('{1,2}');
SELECT row_index FROM coll WHERE row_index = ALL ('{7,7}');
SELECT count(*) FROM coll WHERE row_index < ANY ('{3,5}');
SELECT count(*) FROM coll WHERE row_index <> 3;
SELECT count(*), min(row_index), max(row_index) FROM coll WHERE row_index BETWEEN 1499 AND 1502;
SELECT count(*), min(row_index), max(row_index) FROM coll WHERE row_index BETWEEN 1502 AND 1499;
SELECT count(*), min(row_index), max(row_index) FROM coll WHERE row_index >= 3198;
SELECT count(*), min(row_index), max(row_index) FROM coll WHERE row_index > 3198;
SELECT count(*), min(row_index), max(row_index) FROM coll WHERE row_index > 3199;
SELECT count(*), min(row_index), max(row_index) FROM coll WHERE row_index < 1;
SELECT count(*), min(row_index), max(row_index) FROM coll WHERE row_index <= 1;
SELECT count(*), min(row_index), max(row_index) FROM coll WHERE row_index < 0;
SELECT count(*), min(row_index), max(row_index) FROM coll WHERE row_index <= -1;
SELECT count(*), min(row_index), max(row_index) FROM coll WHERE row_index > -1;
SELECT count(*), min(row_index), max(row_index) FROM coll WHERE row_index >= -5;
SELECT count(*), min(row_index), max(row_index) FROM coll WHERE 10 > row_index AND row_index >= 3::smallint AND row_index <> 5;
SELECT count(*), min(row_index), max(row_index) FROM coll WHERE row_index > 9223372036854775806;
SELECT count(*), min(row_index), max(row_index) FROM coll WHERE row_index <= 9223372036854775807;
SELECT count(*), min(row_index), max(row_index) FROM coll WHERE row_index < 2.5;
SELECT count(*) FROM coll WHERE row_index IN (1, 2, 3) AND row_index = ANY ('{3,4,5}') AND row_index < 100;
SELECT count(*) FROM coll WHERE row_index IS NULL;
SELECT count(*) FROM coll WHERE NOT row_index < 3190;
SELECT count(*) FROM coll WHERE row_index = 3 OR row_index > 3197;
SELECT row_index FROM coll WHERE row_index % 1000 = 0;

-- every condition of a list against the fenced one
SELECT c AS "condition that differs"
FROM unnest(ARRAY['row_index = 1500', 'row_index < 1500', 'row_index <= 1500',
	'row_index > 1500', 'row_index >= 1500', '1500 > row_index',
	'1500 <= row_index', 'row_index BETWEEN 10 AND 2710',
	'row_index = ANY (''{7,2800,1501,-1,7}'')', 'row_index IN (3199, 3200)',
	'row_index > 10 AND row_index < 20 AND row_index <> 15',
	'row_index > 10::smallint AND row_index < 3000::smallint',
	'row_index = ANY (ARRAY[1, NULL, 3100]) AND row_index > 1']) AS c,
	LATERAL (SELECT
		query_to_xml('SELECT md5(string_agg(coll::text, '','' ORDER BY row_index)) FROM coll WHERE ' || c, true, true, '')::text AS pushed,
		query_to_xml('SELECT md5(string_agg(s::text, '','' ORDER BY row_index)) FROM (SELECT * FROM coll OFFSET 0) AS s WHERE ' || c, true, true, '')::text AS fenced) AS q
WHERE pushed <> fenced;

-- other columns are filtered above
SELECT count(*) FROM coll WHERE cell_type = 'plasma cell';
SELECT count(*) FROM coll WHERE cell_type IS NULL;
SELECT count(*) FROM coll WHERE is_doublet AND NOT is_doublet;
SELECT is_doublet, count(*) FROM coll GROUP BY 1 ORDER BY 1;
SELECT count(*), count(percent_mito), count(*) FILTER (WHERE percent_mito = 'NaN') AS nan
FROM coll;
SELECT donor_id, age, chemistry, severity, count(*) FROM coll
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4;
SELECT sex, count(*), sum(n_counts), round(avg(n_counts), 3) AS avg
FROM coll GROUP BY ROLLUP (sex) ORDER BY 1, 2;

-- an in-house table
CREATE TABLE donors (donor_id text PRIMARY KEY, cohort text);
INSERT INTO donors SELECT 'D' || to_char(i, 'FM00'), 'cohort ' || i % 3
FROM generate_series(1, 9) AS i;
ANALYZE donors;
SELECT cohort, count(*), count(DISTINCT cell_type) AS types
FROM coll LEFT JOIN donors USING (donor_id) GROUP BY 1 ORDER BY 1;
SELECT donor_id FROM donors WHERE NOT EXISTS
	(SELECT FROM coll WHERE coll.donor_id = donors.donor_id AND cell_type = 'plasma cell')
ORDER BY 1;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SELECT cohort, count(*), count(DISTINCT cell_type) AS types
FROM coll LEFT JOIN donors USING (donor_id) GROUP BY 1 ORDER BY 1;
RESET enable_hashjoin;
RESET enable_mergejoin;
CREATE TABLE wanted (row_index bigint);
INSERT INTO wanted VALUES (3), (2701), (3), (NULL), (50000);
SELECT row_index, cell_type FROM wanted JOIN coll USING (row_index) ORDER BY 1;
SELECT row_index, cell_type FROM wanted LEFT JOIN coll USING (row_index) ORDER BY 1;
SELECT row_index FROM coll WHERE row_index IN (SELECT row_index FROM wanted) ORDER BY 1;
SELECT w.row_index, c.cell_type
FROM wanted w, LATERAL (SELECT cell_type FROM coll WHERE coll.row_index = w.row_index LIMIT 1) c
ORDER BY 1;
SELECT w.row_index, (SELECT cell_type FROM coll WHERE coll.row_index = w.row_index)
FROM wanted w ORDER BY 1;
SELECT count(*) FROM coll a JOIN coll b USING (obs_name) WHERE a.row_index < 100;

-- a collection as the source of a change of an in-house table
ALTER TABLE wanted ADD COLUMN cell_type text, ADD COLUMN n int;
UPDATE wanted SET cell_type = coll.cell_type, n = length(coll.x_values) / 4
FROM coll WHERE coll.row_index = wanted.row_index;
SELECT * FROM wanted ORDER BY 1;
DELETE FROM wanted USING coll WHERE coll.row_index = wanted.row_index AND coll.file_index = 2;
SELECT wanted.row_index FROM wanted JOIN coll USING (row_index) ORDER BY 1 FOR UPDATE OF wanted;
INSERT INTO wanted SELECT row_index, cell_type FROM coll WHERE row_index BETWEEN 10 AND 11;
SELECT * FROM wanted ORDER BY 1;

-- windows, sets, subqueries, limits
SELECT donor_id, cell_type, n FROM (
	SELECT donor_id, cell_type, count(*) AS n,
		row_number() OVER (PARTITION BY donor_id ORDER BY count(*) DESC, cell_type) AS place
	FROM coll GROUP BY 1, 2) AS s
WHERE place = 1 ORDER BY 1;
SELECT row_index FROM coll WHERE row_index < 3 UNION ALL
SELECT row_index FROM coll WHERE row_index > 3197;
SELECT row_index FROM coll LIMIT 3;
SELECT row_index FROM coll OFFSET 3198;
SELECT row_index FROM coll LIMIT 0;
SELECT row_index, n_counts FROM coll ORDER BY n_counts DESC, row_index LIMIT 4;
SELECT DISTINCT ON (file_index) file_index, obs_name FROM coll ORDER BY file_index, obs_name;
WITH c AS MATERIALIZED (SELECT row_index, length(x_values) / 4 AS n FROM coll WHERE row_index < 40)
SELECT row_index, n FROM c WHERE n = (SELECT max(n) FROM c);

-- the expression vectors: x is x_values spread over the genes
SELECT row_index, length(x) / 4 AS x, length(x_indices) / 4 AS x_indices,
	length(x_values) / 4 AS x_values, left(encode(x_indices, 'hex'), 24) AS indices,
	left(encode(x_values, 'hex'), 24) AS values
FROM coll WHERE row_index IN (0, 1500, 2700);

-- whole rows and system columns
SELECT (coll).donor_id, pg_column_size(coll) > 1000 AS has_x FROM coll WHERE row_index = 8;
SELECT (c.*)::text LIKE '(8,0,%' AS starts_well FROM coll AS c WHERE row_index = 8;
SELECT row_to_json(c) FROM (SELECT row_index, sex, age, percent_mito FROM coll WHERE row_index = 2700) AS c;
SELECT tableoid::regclass, row_index FROM coll WHERE row_index = 8;
SELECT tableoid::regclass, row_index FROM coll_h5ad WHERE row_index = 8;
SELECT ctid FROM coll;	-- ERROR
SELECT row_index FROM coll WHERE ctid = '(0,1)';	-- ERROR
SELECT xmin FROM coll WHERE row_index = 8;	-- ERROR
SELECT row_index FROM coll WHERE row_index = 8 FOR UPDATE;
SELECT row_index FROM coll WHERE row_index = 8 FOR SHARE;
SELECT row_index FROM ONLY coll;
SELECT count(*) FROM coll_h5ad;

-- cursors
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT row_index, donor_id FROM coll;
FETCH 2 FROM c;
FETCH LAST FROM c;
FETCH PRIOR FROM c;
FETCH ABSOLUTE 1501 FROM c;
FETCH BACKWARD 2 FROM c;
FETCH FIRST FROM c;
CLOSE c;
DECLARE c CURSOR FOR SELECT row_index, length(x) FROM coll;
FETCH 1 FROM c;
MOVE 1600 IN c;
FETCH 1 FROM c;
FETCH BACKWARD 1 FROM c;	-- ERROR
ROLLBACK;
BEGIN;
DECLARE c CURSOR WITH HOLD FOR SELECT row_index FROM coll WHERE row_index > 3197;
COMMIT;
FETCH ALL FROM c;
CLOSE c;
BEGIN;
DECLARE c CURSOR FOR SELECT row_index, length(x) FROM coll;
FETCH 1 FROM c;
SAVEPOINT s;
SELECT 1 / (row_index - 3) FROM coll;	-- ERROR
ROLLBACK TO s;
FETCH 1 FROM c;
DROP TABLE coll;	-- ERROR
ROLLBACK;

-- prepared statements: custom and generic plans
SET plan_cache_mode = force_generic_plan;
PREPARE one (bigint) AS SELECT row_index, cell_type FROM coll WHERE row_index = $1;
EXECUTE one (1500);
EXECUTE one (-1);
EXECUTE one (NULL);
EXECUTE one (3199);
PREPARE small (smallint, int) AS SELECT row_index FROM coll WHERE row_index >= $1 AND row_index < $2;
EXECUTE small (3, 6);
EXECUTE small (NULL, 6);
PREPARE several (bigint[]) AS SELECT row_index FROM coll WHERE row_index = ANY ($1);
EXECUTE several ('{5,3198,3}');
EXECUTE several ('{}');
EXECUTE several (NULL);
SET plan_cache_mode = force_custom_plan;
EXECUTE one (1500);
EXECUTE one (NULL);
EXECUTE several ('{5,3198,3}');
EXECUTE several (NULL);
RESET plan_cache_mode;
-- the plan follows a change of the table
ALTER TABLE coll RENAME COLUMN cell_type TO kind;
EXECUTE one (1500);	-- ERROR
ALTER TABLE coll RENAME COLUMN kind TO cell_type;
EXECUTE one (1500);
DEALLOCATE ALL;

-- in functions and views
CREATE FUNCTION type_of(i bigint) RETURNS text LANGUAGE sql STABLE
	AS 'SELECT cell_type FROM coll WHERE row_index = i';
CREATE FUNCTION count_below(i bigint) RETURNS bigint LANGUAGE plpgsql STABLE
	AS 'DECLARE n bigint; BEGIN SELECT count(*) INTO n FROM coll WHERE row_index < i; RETURN n; END';
SELECT i, type_of(i), count_below(i) FROM unnest('{0,1500,2700,3200}'::bigint[]) AS i;
CREATE VIEW monocytes AS SELECT row_index, donor_id, x FROM coll WHERE cell_type LIKE '%monocyte%';
SELECT donor_id, count(*), max(length(x)) FROM monocytes GROUP BY 1 ORDER BY 1 LIMIT 3;
CREATE MATERIALIZED VIEW counts AS SELECT donor_id, count(*) AS n FROM coll GROUP BY 1;
SELECT count(*), sum(n) FROM counts;
REFRESH MATERIALIZED VIEW counts;
CREATE TABLE copied AS SELECT row_index, cell_type, x FROM coll WHERE file_index = 2;
SELECT count(*), count(x) FROM copied;
COPY (SELECT row_index, cell_type, sex FROM coll WHERE row_index < 3) TO STDOUT;
COPY coll TO STDOUT;	-- ERROR
ANALYZE coll;
ANALYZE coll_h5ad;
VACUUM coll;

-- file_index goes down to the read as ranges of rows
SELECT count(*), min(row_index), max(row_index) FROM coll WHERE file_index = 1 AND row_index > 1600;
SELECT file_index, count(*) FROM coll WHERE file_index = ANY ('{0,2,7,-1,NULL}') GROUP BY 1 ORDER BY 1;
SELECT file_index, count(*) FROM coll
	WHERE file_index >= 1 AND row_index = ANY ('{1499,1500,2699,2700,5}') GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM coll WHERE file_index < 0;
SELECT count(*) FROM coll WHERE file_index <= 100::bigint;
SELECT count(*) FROM coll WHERE 2 > file_index;
SELECT count(*) FROM coll WHERE file_index > NULL;
SELECT count(*) FROM coll WHERE file_index <> 1;

-- quals on other columns are looked at before vectors are read: the same rows,
-- and none that a policy hides is shown to a function of the user
SELECT count(*), sum(octet_length(x)) FROM coll WHERE cell_type = 'B cell' AND donor_id IN ('D01', 'D02');
SELECT count(*) FROM coll WHERE cell_type = 'B cell' AND octet_length(x) > 5 AND sex IS NULL;
SELECT row_index, octet_length(x) FROM coll WHERE obs_name = 'GTATTGAAACCCTCGT-1';
SELECT row_index, octet_length(x) FROM coll WHERE cell_type LIKE 'plasma%' ORDER BY row_index LIMIT 3;
SELECT count(x) FROM coll WHERE cell_type = (SELECT max(cell_type) FROM coll);
SELECT count(x) FROM coll TABLESAMPLE bernoulli (50) REPEATABLE (1) WHERE is_doublet;
SELECT count(*) FROM coll TABLESAMPLE bernoulli (50) REPEATABLE (1) WHERE is_doublet;
CREATE FUNCTION only_d01(text) RETURNS boolean COST 0.0001 LANGUAGE plpgsql IMMUTABLE AS
	'BEGIN IF $1 <> ''D01'' THEN RAISE EXCEPTION ''saw %'', $1; END IF; RETURN true; END';
CREATE ROLE regress_viewer;
GRANT SELECT ON coll TO regress_viewer;
CREATE POLICY d01 ON coll TO regress_viewer USING (donor_id = 'D01');
ALTER TABLE coll ENABLE ROW LEVEL SECURITY;
SET ROLE regress_viewer;
SELECT count(*), count(x) FROM coll WHERE only_d01(donor_id) AND x IS NOT NULL;
RESET ROLE;
SELECT count(x) FROM coll WHERE only_d01(donor_id);	-- ERROR
ALTER TABLE coll DISABLE ROW LEVEL SECURITY;
DROP POLICY d01 ON coll;
REVOKE SELECT ON coll FROM regress_viewer;
DROP ROLE regress_viewer;
DROP FUNCTION only_d01;

DROP TABLE copied, wanted, donors;
DROP MATERIALIZED VIEW counts;
DROP FUNCTION type_of, count_below;
DROP VIEW monocytes;
DROP TABLE coll;
