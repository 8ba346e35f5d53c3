--
-- window.sql
--		Batches that are read ahead are the batches that they are: in every
--		kind of statement, for every mappedcoll.window_size.
--
BEGIN;
SELECT no_plan();
SET client_min_messages = warning;
SELECT create_collection('coll', ARRAY[:'data' || '/demo']);

-- all that a stream gives, in the order in which it comes
CREATE FUNCTION pg_temp.stream(call text, size text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE result text;
BEGIN
	IF size IS NOT NULL THEN
		PERFORM set_config('mappedcoll.window_size', size, true);
	END IF;
	EXECUTE format('SELECT count(*) || '' '' || md5(string_agg(md5(s::text), '''')) FROM (SELECT * FROM %s) AS s', call) INTO result;
	RETURN result;
END $$;
-- the arguments of the function at C level, to its end
CREATE FUNCTION pg_temp.internal(seed int, steps int) RETURNS text LANGUAGE sql AS $$
	SELECT format($q$mappedcoll_sample_csr('coll', 16, 'cell_type', %s, 0, %s, 0, 1, true, NULL, NULL, NULL, false, NULL, NULL,
		'{donor_id}', '{}', NULL, 'int64', 'int32', 'float32')$q$, seed, steps) $$;

-- the same rows in the same order
CREATE TEMP TABLE calls AS SELECT * FROM (VALUES
	(1, $$sample_csr('coll', 16, seed => 1, n_steps => 40)$$),
	(2, $$sample_csr('coll', 16, 'cell_type', seed => 1, step => 17, n_steps => 40)$$),
	(3, $$sample_csr('coll', 1, 'cell_type', seed => 1, n_steps => 70)$$),
	(4, $$sample_csr('coll', 2000, 'cell_type', seed => 1, n_steps => 3)$$),
	(5, $$sample_csr('coll', 96, seed => 1, n_steps => 25, replacement => false)$$),
	(6, $$sample_csr('coll', 96, seed => 1, n_steps => 25, replacement => false, drop_last => true)$$),
	(7, $$sample_csr('coll', 96, 'cell_type', seed => 1, n_steps => 25, replacement => false)$$),
	(8, $$sample_csr('coll', 33, seed => 1, n_steps => 25, rank => 1, world_size => 3, replacement => false)$$),
	(9, $$sample_csr('coll', 33, 'donor_id', seed => 1, n_steps => 25, rank => 2, world_size => 3)$$),
	(10, $$sample_csr('coll', 33, 'cell_type', seed => 1, n_steps => 25, filter => 'file_index <> 1')$$),
	(11, $$sample_csr('coll', 16, 'cell_type', seed => 1, n_steps => 20, part_rows => 3)$$),
	(12, $$sample_csr('coll', 16, 'cell_type', seed => 1, n_steps => 20, part_rows => 5, obs_columns => '{donor_id,file_index}',
		genes => (SELECT array_agg(var_name) FROM (SELECT var_name FROM collection_vars('coll') ORDER BY md5(var_name) LIMIT 30) g))$$),
	(13, $$sample_csr('coll', 16, 'cell_type', seed => 1, n_steps => 20, indptr_type => 'int32', indices_type => 'narrow', data_type => 'narrow')$$),
	(14, $$sample_dense('coll', 16, 'cell_type', seed => 1, n_steps => 20)$$),
	(15, $$sample_dense('coll', 16, seed => 1, n_steps => 20, part_rows => 5, data_type => 'narrow')$$),
	(16, $$sample_csr('coll', 16, seed => 1, n_steps => 0)$$),
	(17, $$sample_csr('coll', 4, weights => '0.5', weight_by => 'cell_type', seed => 1, n_steps => 30)$$)) AS v (id, call);
ALTER TABLE calls ADD plain text;
SET mappedcoll.cache_size = 0;
UPDATE calls SET plain = pg_temp.stream(call, '0');
SELECT is(pg_temp.stream(call, size), plain, format('window_size %s: %s', size, regexp_replace(call, '\s+', ' ', 'g')))
FROM unnest(ARRAY['1kB', '100kB', '1MB', '64MB']) AS size, calls ORDER BY size, id;
RESET mappedcoll.cache_size;
SELECT is(pg_temp.stream(call, size), plain, format('and with a cache, window_size %s: call %s', size, id))
FROM unnest(ARRAY['0', '100kB', '64MB']) AS size, calls ORDER BY size, id;
SET mappedcoll.window_size = '64MB';

-- a window that is larger than any array is as large as it can be
SET mappedcoll.window_size = '1000GB';
SELECT is(pg_temp.stream(call), plain, 'a window without bound') FROM calls WHERE id = 2;
SET mappedcoll.window_size = '64MB';

-- LIMIT, and cursors
CREATE TEMP TABLE stream AS SELECT * FROM sample_csr('coll', 16, 'cell_type', seed => 3, n_steps => 30, obs_columns => '{donor_id}');
CREATE TEMP TABLE other AS SELECT * FROM sample_csr('coll', 16, 'cell_type', seed => 4, n_steps => 30, obs_columns => '{donor_id}');
SELECT is((SELECT count(*) FROM stream), 30::bigint, 'a table of all batches');
SELECT results_eq(
	$$SELECT * FROM sample_csr('coll', 16, 'cell_type', seed => 3, n_steps => 1000000000, obs_columns => '{donor_id}') LIMIT 9$$,
	$$SELECT * FROM stream WHERE batch < 9 ORDER BY batch$$, 'LIMIT 9 of 10^9');
SELECT results_eq(
	$$SELECT * FROM sample_csr('coll', 16, 'cell_type', seed => 3, n_steps => 30, obs_columns => '{donor_id}') OFFSET 25$$,
	$$SELECT * FROM stream WHERE batch >= 25 ORDER BY batch$$, 'OFFSET 25');

-- earlier rows are what they were when later ones come
CREATE FUNCTION pg_temp.keep(seed int, steps int, ahead int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	c refcursor;
	r record;
	kept bytea[] := '{}';
	packed text[] := '{}';
	bad int := 0;
	n int := 0;
BEGIN
	OPEN c FOR EXECUTE 'SELECT batch, data, indices, obs FROM sample_csr(''coll'', 16, ''cell_type'', seed => $1, n_steps => $2, obs_columns => ''{donor_id}'')'
		USING seed, steps;
	LOOP
		FETCH c INTO r;
		EXIT WHEN NOT FOUND;
		kept := kept || r.data || r.indices || r.obs[1];
		packed := packed || (md5(r.data) || md5(r.indices) || md5(r.obs[1]));
		n := n + 1;
		-- another stream of the same collection in between
		IF n % ahead = 0 THEN
			PERFORM count(length(data)) FROM sample_csr('coll', 8, 'donor_id', seed => n, n_steps => 3);
		END IF;
	END LOOP;
	CLOSE c;
	FOR i IN 1 .. n LOOP
		IF packed[i] <> md5(kept[3 * i - 2]) || md5(kept[3 * i - 1]) || md5(kept[3 * i]) THEN
			bad := bad + 1;
		END IF;
	END LOOP;
	RETURN n || ' ' || bad || ' ' || md5(array_to_string(packed, ''));
END $$;
SELECT is(pg_temp.keep(3, 30, a), (SELECT '30 0 ' || md5(string_agg(md5(data) || md5(indices) || md5(obs[1]), '' ORDER BY batch)) FROM stream),
	format('rows that are kept, another stream after every %s', a)) FROM unnest(ARRAY[1, 7, 100]) AS a;
DECLARE scrolled SCROLL CURSOR FOR SELECT batch, data FROM sample_csr('coll', 16, 'cell_type', seed => 3, n_steps => 30);
SELECT results_eq('FETCH 3 FROM scrolled', 'SELECT batch, data FROM stream WHERE batch < 3 ORDER BY batch', 'FETCH 3');
SELECT results_eq('FETCH ABSOLUTE 20 FROM scrolled', 'SELECT batch, data FROM stream WHERE batch = 19', 'FETCH ABSOLUTE 20');
SELECT results_eq('FETCH BACKWARD 4 FROM scrolled', 'SELECT batch, data FROM stream WHERE batch BETWEEN 15 AND 18 ORDER BY batch DESC', 'FETCH BACKWARD');
SELECT results_eq('FETCH ALL FROM scrolled', 'SELECT batch, data FROM stream WHERE batch > 15 ORDER BY batch', 'FETCH ALL');
CLOSE scrolled;

-- two streams of one query
CREATE FUNCTION pg_temp.both(condition text) RETURNS text LANGUAGE sql AS $$
	SELECT format($q$SELECT a.batch, b.batch AS batch_b, a.data AS data_a, b.data AS data_b, a.indices = b.indices AS same
		FROM %s AS a JOIN %s AS b ON %s$q$, $f$sample_csr('coll', 16, 'cell_type', seed => 3, n_steps => 30)$f$,
		$f$sample_csr('coll', 16, 'cell_type', seed => 4, n_steps => 30)$f$, condition) $$;
CREATE FUNCTION pg_temp.both_kept(condition text) RETURNS text LANGUAGE sql AS $$
	SELECT format('SELECT a.batch, b.batch AS batch_b, a.data AS data_a, b.data AS data_b, a.indices = b.indices AS same FROM stream AS a JOIN other AS b ON %s', condition) $$;
CREATE FUNCTION pg_temp.check_both(condition text, what text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN NEXT bag_eq(pg_temp.both(condition), pg_temp.both_kept(condition), 'two streams side by side: ' || what);
END $$;
SELECT pg_temp.check_both('a.batch = b.batch', 'hashed');
SET enable_hashjoin = off;
SELECT pg_temp.check_both('a.batch = b.batch', 'merged');
SET enable_mergejoin = off;
SELECT pg_temp.check_both('a.batch = b.batch', 'nested loop');
SET enable_material = off;
SELECT pg_temp.check_both('a.batch = b.batch AND a.batch < 4', 'nested loop that reads the inner one again and again');
RESET enable_hashjoin;
RESET enable_mergejoin;
RESET enable_material;
SELECT results_eq(format('SELECT (a).data, (b).data, (a).obs, (b).obs FROM (SELECT %s AS a, %s AS b) s', pg_temp.internal(3, 30), pg_temp.internal(4, 30)),
	'SELECT a.data, b.data, a.obs, b.obs FROM stream a JOIN other b USING (batch) ORDER BY batch', 'two streams in one SELECT list');
SELECT results_eq($$SELECT b.batch, b.data FROM generate_series(0, 5) AS g,
	LATERAL sample_csr('coll', 16, 'cell_type', seed => 3, step => g * 5, n_steps => 5) AS b$$,
	'SELECT batch, data FROM stream ORDER BY batch', 'a stream for each row of another table');
SELECT bag_eq($$SELECT batch, data FROM sample_csr('coll', 16, 'cell_type', seed => 3, n_steps => 30) UNION ALL
	SELECT batch, data FROM sample_csr('coll', 16, 'cell_type', seed => 4, n_steps => 30)$$,
	'SELECT batch, data FROM stream UNION ALL SELECT batch, data FROM other', 'UNION ALL');

-- nodes that keep rows
CREATE FUNCTION pg_temp.check_kept(query text, what text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN NEXT results_eq(format(query, $f$sample_csr('coll', 16, 'cell_type', seed => 3, n_steps => 30, obs_columns => '{donor_id}')$f$),
		format(query, '(SELECT * FROM stream ORDER BY batch)'), 'rows that a node keeps: ' || what);
END $$;
SELECT pg_temp.check_kept(q, w) FROM (VALUES
	('a sort', 'SELECT * FROM %s AS s ORDER BY batch DESC'),
	('a sort by what is large', 'SELECT * FROM %s AS s ORDER BY md5(data)'),
	('a CTE', 'WITH s AS MATERIALIZED (SELECT * FROM %s AS f) SELECT * FROM s UNION ALL SELECT * FROM s'),
	('a window function', 'SELECT batch, lag(data, 3) OVER w, lead(data, 5) OVER w, first_value(data) OVER w FROM %s AS s WINDOW w AS (ORDER BY batch)'),
	('DISTINCT', 'SELECT DISTINCT data, obs FROM %s AS s ORDER BY 1'),
	('DISTINCT ON', 'SELECT DISTINCT ON (batch / 7) batch, data FROM %s AS s ORDER BY batch / 7, batch DESC'),
	('GROUP BY', 'SELECT batch / 4, array_agg(data), string_agg(indices, '''') FROM %s AS s GROUP BY 1 ORDER BY 1'),
	('LIMIT WITH TIES', 'SELECT batch / 5, data FROM %s AS s ORDER BY batch / 5 FETCH FIRST 7 ROWS WITH TIES'),
	('a subquery', 'SELECT batch, (SELECT data FROM (SELECT s.data) AS t) FROM %s AS s'),
	('whole rows', 'SELECT s FROM %s AS s'),
	('an array of rows', 'SELECT array_agg(s) FROM %s AS s'),
	('rows as JSON', 'SELECT row_to_json(s)::text FROM %s AS s'),
	('EXCEPT', 'SELECT batch, data FROM %s AS s EXCEPT SELECT batch, data FROM other ORDER BY 1')) AS v (w, q);

-- nested loops of PL/pgSQL
CREATE FUNCTION pg_temp.nested() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	a record;
	b record;
	result text := '';
BEGIN
	FOR a IN SELECT * FROM sample_csr('coll', 16, 'cell_type', seed => 3, n_steps => 30) LOOP
		FOR b IN SELECT * FROM sample_csr('coll', 16, 'cell_type', seed => 4, n_steps => 30) LOOP
			EXIT WHEN b.batch > a.batch;
		END LOOP;
		result := result || md5(a.data) || md5(a.indices) || md5(b.data);
	END LOOP;
	RETURN md5(result);
END $$;
SELECT is(pg_temp.nested(), (SELECT md5(string_agg(md5(a.data) || md5(a.indices) || md5(coalesce(b.data, l.data)), '' ORDER BY a.batch))
	FROM stream a LEFT JOIN other b ON b.batch = a.batch + 1, other l WHERE l.batch = 29), 'a loop in a loop, left in the middle');

-- the row of the function at C level as a value
SELECT results_eq('SELECT r::text FROM (SELECT ' || pg_temp.internal(3, 30) || ' AS r) s', 'SELECT stream::text FROM stream ORDER BY batch', 'as text');
CREATE FUNCTION pg_temp.compared() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE result bigint;
BEGIN
	EXECUTE 'SELECT count(*) FROM (SELECT ' || pg_temp.internal(3, 30) || ' AS a, ' || pg_temp.internal(3, 30) || ' AS b, '
		|| pg_temp.internal(4, 30) || ' AS c) s WHERE a = b AND a <> c AND NOT (a IS DISTINCT FROM b) AND a *= b AND hash_record(a) = hash_record(b)' INTO result;
	RETURN result;
END $$;
SELECT is(pg_temp.compared(), 30::bigint, 'compared as a record');
SELECT results_eq('SELECT to_json(r)::text FROM (SELECT ' || pg_temp.internal(3, 30) || ' AS r) s', 'SELECT to_json(stream)::text FROM stream ORDER BY batch', 'as JSON');
CREATE FUNCTION pg_temp.takes(r record, out batch bigint, out data text) LANGUAGE plpgsql AS $$
DECLARE
	mine record := r;
	typed stream := r;
BEGIN
	PERFORM count(*) FROM sample_csr('coll', 8, seed => 9, n_steps => 2);
	batch := mine.batch;
	data := md5(mine.data) || md5(r.indices) || md5(typed.data);
END $$;
SELECT results_eq('SELECT (t).* FROM (SELECT pg_temp.takes(r) AS t FROM (SELECT ' || pg_temp.internal(3, 30) || ' AS r) s OFFSET 0) u',
	'SELECT batch, md5(data) || md5(indices) || md5(data) FROM stream ORDER BY batch', 'as the argument of a function that keeps and reads');
SELECT results_eq('SELECT array_agg(r)::text FROM (SELECT ' || pg_temp.internal(3, 30) || ' AS r) s',
	'SELECT array_agg(stream)::text FROM (SELECT * FROM stream ORDER BY batch) stream', 'in an array');

-- sample_batch and fetch_csr
CREATE TEMP TABLE cells AS SELECT row_number() OVER () AS n, s.* FROM sample_batch('coll', 300, 'cell_type', seed => 3) AS s;
SELECT is((SELECT count(*) FROM cells WHERE x <> (SELECT c.x FROM coll c WHERE c.row_index = cells.row_index)), 0::bigint, 'sample_batch: each row has its x');
SELECT results_eq($$SELECT s.row_index, s.label, lag(s.x, 2) OVER (), s.x FROM sample_batch('coll', 300, 'cell_type', seed => 3) AS s$$,
	'SELECT row_index, label, lag(x, 2) OVER (ORDER BY n), x FROM cells ORDER BY n', 'and a node can keep it');
SELECT results_eq($$SELECT a.x, b.x FROM (SELECT row_number() OVER () AS n, * FROM sample_batch('coll', 40, seed => 5)) a
	JOIN (SELECT row_number() OVER () AS n, * FROM sample_batch('coll', 40, seed => 6)) b USING (n) ORDER BY n$$,
	$$SELECT a.x, b.x FROM (SELECT n, c.x FROM (SELECT row_number() OVER () AS n, * FROM sample_batch('coll', 40, seed => 5)) s JOIN coll c USING (row_index)) a
	JOIN (SELECT n, c.x FROM (SELECT row_number() OVER () AS n, * FROM sample_batch('coll', 40, seed => 6)) s JOIN coll c USING (row_index)) b USING (n) ORDER BY n$$,
	'two batches side by side');
SELECT results_eq($$SELECT part, data FROM fetch_csr('coll', (SELECT array_agg(row_index ORDER BY n) FROM cells), part_rows => 7)$$,
	$$SELECT (n - 1)::int / 7, string_agg(f.data, '' ORDER BY n) FROM cells, LATERAL fetch_csr('coll', ARRAY[row_index]) AS f GROUP BY 1 ORDER BY 1$$,
	'fetch_csr by parts is each row by itself');

-- prepared statements, custom and generic
PREPARE steps (bigint, bigint) AS SELECT batch, data FROM sample_csr('coll', 16, 'cell_type', seed => 3, step => $1, n_steps => $2);
SELECT results_eq(format('EXECUTE steps (%s, 5)', s), format('SELECT batch, data FROM stream WHERE batch BETWEEN %s AND %s ORDER BY batch', s, s + 4),
	'prepared: step ' || s) FROM generate_series(0, 25, 3) AS s WHERE s + 5 <= 30;
DEALLOCATE steps;

-- a subtransaction that ends in the middle of a stream
CREATE FUNCTION pg_temp.aborted(after int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r record;
	result text := '';
	c refcursor;
BEGIN
	OPEN c FOR SELECT batch, data FROM sample_csr('coll', 16, 'cell_type', seed => 3, n_steps => 30);
	FOR i IN 1 .. 30 LOOP
		FETCH c INTO r;
		result := result || md5(r.data);
		BEGIN
			FOR r IN SELECT * FROM sample_csr('coll', 16, 'cell_type', seed => 4, n_steps => 30) LOOP
				IF r.batch = after THEN
					RAISE division_by_zero;
				END IF;
			END LOOP;
		EXCEPTION WHEN division_by_zero THEN
			NULL;
		END;
	END LOOP;
	RETURN md5(result);
END $$;
SELECT is(pg_temp.aborted(a), (SELECT md5(string_agg(md5(data), '' ORDER BY batch)) FROM stream), 'another stream is given up after batch ' || a)
FROM unnest(ARRAY[0, 1, 2, 6]) AS a;
SAVEPOINT one;
DECLARE left_open CURSOR FOR SELECT batch, data FROM sample_csr('coll', 16, 'cell_type', seed => 3, n_steps => 30);
MOVE 5 FROM left_open;
ROLLBACK TO one;
SELECT results_eq($$SELECT batch, data FROM sample_csr('coll', 16, 'cell_type', seed => 3, n_steps => 30)$$,
	'SELECT batch, data FROM stream ORDER BY batch', 'after a cursor that was rolled back');

-- settings and the collection change while a stream is read
DECLARE changing CURSOR FOR SELECT batch, data FROM sample_csr('coll', 16, 'cell_type', seed => 3, n_steps => 30);
SELECT results_eq('FETCH 4 FROM changing', 'SELECT batch, data FROM stream WHERE batch < 4 ORDER BY batch', 'a stream begins');
SET mappedcoll.window_size = 0;
SET mappedcoll.cache_size = 0;
SELECT results_eq('FETCH 6 FROM changing', 'SELECT batch, data FROM stream WHERE batch BETWEEN 4 AND 9 ORDER BY batch', 'without window and cache');
SET mappedcoll.partial_decode = off;
SET mappedcoll.window_size = '200kB';
SELECT results_eq('FETCH 6 FROM changing', 'SELECT batch, data FROM stream WHERE batch BETWEEN 10 AND 15 ORDER BY batch', 'with a small window, whole chunks');
SET mappedcoll.max_chunk_size = '256MB';
SET mappedcoll.window_size = '64MB';
SET mappedcoll.cache_size = '1MB';
SELECT refresh_collection('coll');
SELECT results_eq('FETCH 6 FROM changing', 'SELECT batch, data FROM stream WHERE batch BETWEEN 16 AND 21 ORDER BY batch', 'with other limits, refreshed');
ALTER TABLE coll RENAME TO coll_renamed;
SELECT count(*) FROM sample_csr('coll_renamed', 8, seed => 1, n_steps => 4);
SELECT results_eq('FETCH ALL FROM changing', 'SELECT batch, data FROM stream WHERE batch > 21 ORDER BY batch', 'of another name, beside a new stream');
CLOSE changing;

SELECT * FROM finish();
ROLLBACK;
