--
-- filter.sql
--		sample_batch's filter: the rows of the same WHERE, and nothing else than
--		a condition, however hostile its text.
--
BEGIN;
SELECT no_plan();
SET client_min_messages = warning;
SELECT create_collection('coll', ARRAY[:'data' || '/demo']);
CREATE TABLE donors AS SELECT DISTINCT donor_id, right(donor_id, 1)::int % 2 AS cohort FROM coll;
CREATE TABLE victim (i int);
CREATE FUNCTION is_even(bigint) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 % 2 = 0';
CREATE FUNCTION write_row(bigint) RETURNS boolean LANGUAGE plpgsql AS
	'BEGIN INSERT INTO victim VALUES ($1); RETURN true; END';

-- An epoch without replacement is the set of rows that pass: each once, with
-- the label that it has, and of the labels only those that are left.
CREATE FUNCTION pg_temp.same_as_where(filter text, by text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	expected bigint[];
	drawn bigint[];
BEGIN
	EXECUTE format(E'SELECT array_agg(row_index ORDER BY row_index) FROM (SELECT * FROM coll WHERE (%s\n)) AS s WHERE %s', filter,
		CASE WHEN by IS NULL THEN 'true' ELSE by || ' IS NOT NULL' END) INTO expected;
	SELECT array_agg(row_index ORDER BY row_index) INTO drawn
	FROM sample_batch('coll', cardinality(expected), by, seed => 1, replacement => false, filter => filter);
	RETURN CASE WHEN drawn = expected THEN 'same' ELSE 'different' END;
END $$;
SELECT is(pg_temp.same_as_where(filter, by), 'same', format('%s%s', replace(filter, E'\n', ' '), ', by ' || by))
FROM unnest(ARRAY['true', 'donor_id = ''D03''', 'donor_id <> ''D03''', 'cell_type IS NULL OR file_index = 2', 'row_index < 10',
	'row_index BETWEEN 1400 AND 1600', 'row_index = ANY (''{5,7,3000}'')', 'age > 40', 'percent_mito = ''NaN''', 'percent_mito < 5',
	'is_doublet', 'NOT is_doublet', 'is_doublet IS NULL', 'obs_name LIKE ''AAA%''', 'n_counts > (SELECT avg(n_counts) FROM coll)',
	'donor_id IN (SELECT donor_id FROM donors WHERE cohort = 1)', 'EXISTS (SELECT FROM donors d WHERE d.donor_id = coll.donor_id AND cohort = 0)',
	'is_even(row_index)', 'coll.sex = ''female'' AND severity IS NOT NULL', 'length(x_values) > 400', 'CASE sex WHEN ''male'' THEN true END',
	'row_index % 7 = 3 -- a comment', '/* another */ row_index > 3000', E'row_index\n>\n3000', '(row_index > 3000)', '(row_index) > (3000)',
	'true) OR (row_index = 3', '"row_index" >= 3190', 'cell_type = $q$plasma cell$q$', 'obs_name <> '');--''']) AS filter,
	unnest(ARRAY[NULL, 'cell_type']) AS by
WHERE by IS NULL OR filter !~ 'IS NULL|AAA';

-- weights are those of the rows that pass
SELECT ok(chi2 < 29.588, 'labels of a filtered batch are even: chi-square ' || round(chi2, 1) || ' of 10 degrees')
FROM (SELECT sum((n - 5000 / 11.0) ^ 2 / (5000 / 11.0)) AS chi2 FROM (SELECT count(*) AS n
	FROM sample_batch('coll', 5000, 'cell_type', seed => 8, filter => 'donor_id IN (''D01'', ''D02'') OR file_index = 1') GROUP BY label) AS c) AS s;
SELECT is((SELECT count(*) FROM sample_batch('coll', 2000, 'cell_type', seed => 8, filter => 'donor_id = ''D05''') b JOIN coll USING (row_index)
	WHERE donor_id <> 'D05' OR cell_type <> label), 0::bigint, 'no row that does not pass is drawn');
SELECT is((SELECT array_agg(row_index) FROM sample_batch('coll', 50, 'cell_type', seed => 8, filter => 'true')),
	(SELECT array_agg(row_index) FROM sample_batch('coll', 50, 'cell_type', seed => 8)), 'a filter that all rows pass changes nothing');
SELECT is((SELECT array_agg(row_index) FROM sample_batch('coll', 50, seed => 8, filter => 'true')),
	(SELECT array_agg(row_index) FROM sample_batch('coll', 50, seed => 8)), 'also without weights');
SELECT is((SELECT array_agg(row_index) FROM sample_batch('coll', 50, 'cell_type', seed => 8, step => 3, filter => 'is_doublet')),
	(SELECT array_agg(row_index) FROM sample_batch('coll', 50, 'cell_type', seed => 8, step => 3, filter => 'is_doublet')),
	'the same seed and step give the same rows');

-- texts that are no condition
PREPARE probe (text) AS SELECT row_index FROM sample_batch('coll', 4, filter => $1);
SELECT throws_ok(format('EXECUTE probe (%L)', filter), state, NULL, format('%s: %s', state, filter))
FROM (VALUES
	('true; DROP TABLE victim', '42601'),
	('true); DROP TABLE victim; --', '42601'),
	('true); DROP TABLE victim; SELECT (true', '42601'),
	('true) --', '42601'),
	('true) /*', '42601'),
	('true /*', '42601'),
	('true) UNION (SELECT 1', '42601'),
	('true) UNION ALL SELECT row_index FROM coll WHERE (true', '42601'),
	('true) EXCEPT (SELECT 1', '42601'),
	('true) GROUP BY (row_index', '42601'),
	('true) GROUP BY row_index HAVING (true', '42601'),
	('true) ORDER BY (row_index', '42601'),
	('true) LIMIT (1', '42601'),
	('true) OFFSET (1', '42601'),
	('true) FOR UPDATE --', '42601'),
	('true) WINDOW w AS (ORDER BY 1', '42601'),
	('true, false', '42804'),
	('', '42601'), (' ', '42601'), ('--', '42601'), (')', '42601'), ('(', '42601'), (')(', '42601'), ('''', '42601'), ('$$', '42601'),
	('"', '42601'), ('WHERE true', '42601'), ('(SELECT true', '42601'), ('DELETE FROM victim', '42601'),
	('(DELETE FROM victim RETURNING true)', '42601'),
	('(WITH d AS (DELETE FROM victim RETURNING i) SELECT true FROM d)', '0A000'),
	('\gexec', '42601'), ('$1', '42P02'), (':a', '42601'), ('?', '42601'),
	('1', '42804'), ('NULL::text', '42804'), ('row_index', '42804'), ('x', '42804'),
	('none = 1', '42703'), ('s.row_index = 1', '42P01'), ('coll_h5ad.row_index = 1', '42P01'), ('no_function()', '42883'),
	('count(*) > 0', '42803'), ('row_number() OVER () = 1', '42P20'), ('generate_series(1, 3) = 1', '0A000'),
	('(SELECT i FROM victim, donors) = 1 OR 1/0 = 1', '22012'), ('1 / (row_index - 1600) > 0', '22012'),
	('cell_type::int = 1', '22P02'), ('row_index = (SELECT row_index FROM coll)', '21000'),
	('pg_sleep(''x'') IS NULL', '22P02'), ('ctid IS NOT NULL', '0A000'),
	('false', '55000'), ('NULL', '55000'), ('row_index < 0', '55000'), ('(SELECT false)', '55000')
) AS v (filter, state);
SELECT has_table('victim', 'the table of the hostile filters is there');
SELECT is((SELECT count(*) FROM victim), 0::bigint, 'and empty');
SELECT lives_ok($$EXECUTE probe ('row_index < 9')$$, 'a good filter works after all of them');
-- a very long one, and one that nests deeply
SELECT throws_ok(format('EXECUTE probe (%L)', repeat('(', 100000) || 'true' || repeat(')', 100000)), '42601', NULL,
	'parentheses as deep as a hostile user likes');
SELECT is(pg_temp.same_as_where('row_index IN (0' || repeat(',1', 100000) || ')'), 'same', 'a filter of 200 kB');

-- a filter that always gives the same rows is kept for the session; what it
-- means and who may use it is looked at each time
CREATE FUNCTION pg_temp.parity(filter text) RETURNS bigint[] LANGUAGE sql AS
	'SELECT array_agg(DISTINCT row_index % 2) FROM sample_batch(''coll'', 200, ''cell_type'', seed => 5, filter => $1)';
CREATE SCHEMA other;
CREATE FUNCTION other.is_even(bigint) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 % 2 <> 0';
SELECT is(pg_temp.parity('is_even(row_index)'), '{0}', 'a function of the search path');
SELECT is(pg_temp.parity('is_even(row_index)'), '{0}', 'twice');
SET search_path = other, public;
SELECT is(pg_temp.parity('is_even(row_index)'), '{1}', 'another function of that name, by another search path');
RESET search_path;
SELECT is(pg_temp.parity('is_even(row_index)'), '{0}', 'and back');
SELECT is((SELECT count(DISTINCT pg_temp.parity(format('is_even(row_index) AND row_index > %s', i))) FROM generate_series(1, 40) i),
	1::bigint, 'more filters than are kept');
CREATE ROLE regress_filter;
GRANT SELECT ON coll TO regress_filter;
SET ROLE regress_filter;
SELECT is((SELECT count(*) FROM sample_batch('coll', 4, 'cell_type', filter => 'donor_id <> ''D01''')), 4::bigint, 'a role with SELECT');
RESET ROLE;
REVOKE SELECT ON coll FROM regress_filter;
GRANT SELECT (row_index, cell_type, x) ON coll TO regress_filter;
SET ROLE regress_filter;
SELECT is((SELECT count(*) FROM sample_batch('coll', 4, 'cell_type', filter => 'row_index > 5')), 4::bigint, 'a column of the grant');
SELECT throws_ok('SELECT * FROM sample_batch(''coll'', 4, ''cell_type'', filter => ''donor_id <> ''''D01'''''')', '42501', NULL,
	'a kept filter over a column that was revoked');
RESET ROLE;

-- it runs once a statement, with the rights and the transaction of the caller
SELECT lives_ok($$EXECUTE probe ('row_index < 3 AND write_row(row_index)')$$, 'a function of a filter may do what the caller may');
SELECT is((SELECT array_agg(i ORDER BY i) FROM victim), '{0,1,2}'::int[], 'once for each row');
SET TRANSACTION READ ONLY;
SELECT throws_ok($$EXECUTE probe ('row_index < 3 AND write_row(row_index)')$$, '25006', NULL, 'but not in a read-only transaction');
SELECT lives_ok($$EXECUTE probe ('row_index < 3')$$, 'where sampling works');
SELECT * FROM finish();
ROLLBACK;
