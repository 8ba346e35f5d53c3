# Batches that are read ahead, where something goes wrong on the way, and the memory
# of it.  What would break: an error that comes before the batches ahead of it, rows
# of the cache that outlive their file, a window that cannot be cancelled, or whose
# memory stays.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use File::Copy qw(copy);
use MappedcollTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = new_node('window');
my $dir = PostgreSQL::Test::Utils::tempdir;
my ($site_a, $site_b) = demo_files();
my @ways = ([ '0', '0', 'off' ], [ '0', '64MB', 'on' ], [ '100kB', '0', 'on' ], [ '64MB', '0', 'on' ], [ '64MB', '64MB', 'on' ], [ '1GB', '1MB', 'off' ]);

sub set_way
{
	my ($session, $window, $cache, $partial) = @_;

	ask_safe($session, "SET mappedcoll.window_size = '$window'; SET mappedcoll.cache_size = '$cache'; SET mappedcoll.partial_decode = $partial");
	return "window $window, cache $cache, partial $partial";
}

# Batches that come before the error, its SQLSTATE, and a digest of them
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION delivered(call text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	c refcursor;
	r record;
	n int := 0;
	digest text := '';
BEGIN
	OPEN c FOR EXECUTE 'SELECT batch, md5(s::text) AS packed FROM (SELECT * FROM ' || call || ') AS s';
	LOOP
		BEGIN
			FETCH c INTO r;
		EXCEPTION WHEN OTHERS THEN
			RETURN n || ' ' || SQLSTATE || ' ' || md5(digest);
		END;
		EXIT WHEN NOT FOUND;
		n := n + 1;
		digest := digest || r.packed;
	END LOOP;
	RETURN n || ' none ' || md5(digest);
END $$;
-- the rows that cannot be read
CREATE FUNCTION bad_rows(collection text) RETURNS SETOF bigint LANGUAGE plpgsql AS $$
DECLARE i bigint;
BEGIN
	FOR i IN EXECUTE format('SELECT row_index FROM %I ORDER BY 1', collection) LOOP
		BEGIN
			PERFORM length(data) FROM fetch_csr(collection::regclass, ARRAY[i]);
		EXCEPTION WHEN OTHERS THEN
			RETURN NEXT i;
		END;
	END LOOP;
END $$;
SQL

# ------------------------------------------- an error of a later batch

# A chunk of the second file that is damaged, in the midst of its rows
my $bytes = read_bytes($site_b);
my ($damaged, $n_bad);
for my $place (0.5, 0.45, 0.55, 0.4, 0.6, 0.35, 0.65, 0.3, 0.7)
{
	$damaged = "$dir/damaged-$place.h5ad";
	my $copy = $bytes;
	substr($copy, int(length($copy) * $place), 40) = "\xA5" x 40;
	write_bytes($damaged, $copy);
	$node->psql('postgres', "SELECT create_collection('damaged', ARRAY['$site_a', '$damaged'])");
	$n_bad = $node->safe_psql('postgres', q{SELECT CASE WHEN to_regclass('damaged') IS NULL THEN -1
		ELSE (SELECT count(*) FROM bad_rows('damaged')) END});
	last if $n_bad > 0 && $n_bad < 1000;
	$node->safe_psql('postgres', 'DROP TABLE IF EXISTS damaged');
}
cmp_ok($n_bad, '>', 0, "$n_bad of 1200 rows of the second file cannot be read");

# Files that have no matrix, and one that cannot even be opened: its chunks are too large
my $data = data_dir();
$node->safe_psql('postgres', "SELECT create_collection('no_x', ARRAY['$site_a', '$data/h5ad/join_no_x.h5ad'], var_join => 'outer')");
$node->safe_psql('postgres', "SELECT create_collection('too_large', ARRAY['$site_a', '$data/hostile/inflates_to_1_gb.h5ad'], var_join => 'outer')");

for my $case ([ damaged => 4, 'XX001' ], [ no_x => 40, '42704' ], [ too_large => 40, '54000' ])
{
	my ($name, $size, $state) = @$case;
	my $session = open_session($node);
	my $pid = backend_pid($session);
	my $seeds = 0;

	ask_safe($session, "CREATE TEMP TABLE bad AS SELECT * FROM bad_rows('$name') AS row_index");
	cmp_ok(ask_safe($session, 'SELECT count(*) FROM bad'), '>', 0, "$name: there are rows that cannot be read");
	for my $seed (1 .. 12)
	{
		my $first = ask_safe($session, "SELECT min(batch) FROM sample_rows('$name', $size, seed => $seed, n_steps => 400) JOIN bad USING (row_index)");
		next if $first eq '' || $first < 3 || ++$seeds > 2;
		my %seen;
		for my $way (@ways)
		{
			my $what = set_way($session, @$way);
			for my $more ('', ', part_rows => 2', q{, data_type => 'narrow'})
			{
				my $got = ask_safe($session, "SELECT delivered(\$\$sample_csr('$name', $size, seed => $seed, n_steps => 400$more)\$\$)");
				my ($n, $code, $digest) = split / /, $got;

				# of a batch that comes in parts, some may come
				my $steps = $more =~ /part_rows/ ? int($n / ($size / 2)) : $n;
				is("$steps $code", "$first $state", "$name: $first batches, then the error: $what$more");
				$seen{$more}{$digest} = 1 unless $more =~ /part_rows/;
			}
		}
		is(join(' ', map { scalar keys %{ $seen{$_} } } sort keys %seen), '1 1', "$name: and the same ones in all ways");
	}
	cmp_ok($seeds, '>', 0, "$name: some draws begin well");
	is(ask_safe($session, 'SELECT pg_backend_pid()'), $pid, "$name: the backend is the same");
	like(ask_safe($session, "SELECT delivered(\$\$sample_csr('$name', 16, seed => 1, n_steps => 9, filter => 'file_index = 0')\$\$)"),
		qr/^9 none /, "$name: and reads what can be read");
	$session->quit;
}

# ------------------------------------- a file that changes under a stream

my @files = copy_demo("$dir/files");
new_collection($node, \@files);
my $stream = q{sample_csr('coll', 16, 'cell_type', seed => 5, n_steps => 60, filter => 'file_index < 2')};

for my $way (@ways)
{
	my $session = open_session($node);
	my $what = set_way($session, @$way);

	# all rows of the stream are in the cache, if there is one
	ask_safe($session, "CREATE TEMP TABLE whole AS SELECT batch, data FROM $stream");
	ask_safe($session, "SELECT count(*) FROM $stream");
	ask_safe($session, "BEGIN; DECLARE c CURSOR FOR SELECT batch, data FROM $stream");
	is(ask_safe($session, 'FETCH 3 FROM c') =~ tr/\n//, 2, "$what: a stream of a file begins");
	my $old = read_bytes($files[0]);
	utime time + 10, time + 10, $files[0] or die $!;
	my ($out, $messages);
	my $n = 3;
	for (; $n < 60; $n++)
	{
		($out, $messages) = ask($session, 'FETCH 1 FROM c');
		last if $messages ne '';
	}
	like($messages, qr/ERROR:  \w+: .*\Q$files[0]\E.* has changed|ERROR:  \w+: .*changed.*\Q$files[0]\E/, "$what: the file changes, after $n batches that is seen");
	cmp_ok($n, '<', 60, "$what: before the end of the stream");
	ask($session, 'ROLLBACK');
	my ($none, $again) = ask($session, "SELECT count(*) FROM $stream");
	like($again, qr/changed/, "$what: another stream sees it as well");
	write_bytes($files[0], $old);
	ask_safe($session, q{SELECT refresh_collection('coll')});
	is(ask_safe($session, "SELECT count(*) FROM $stream JOIN whole USING (batch, data)"), '60', "$what: the same batches once it is refreshed");
	$session->quit;
}

# ------------------------------------------------ cancelled and thrown away

my $copies = 40;
my @many = map { my $to = "$dir/many-$_.h5ad"; copy($site_a, $to) or die $!; chmod 0644, $to; $to } 1 .. $copies;
$node->safe_psql('postgres', "SELECT create_collection('many', ARRAY[" . join(', ', map { "'$_'" } @many) . '])');
my $epoch = q{sample_csr('many', 256, seed => %d, n_steps => %d, replacement => false)};
my $session = open_session($node);
my $pid = backend_pid($session);
my $want = ask_safe($session, 'SELECT delivered($$' . sprintf($epoch, 1, 20) . '$$)');

for my $way (@ways)
{
	my $what = set_way($session, @$way);

	for my $after (0.1, 0.6)
	{
		send_query($session, 'SELECT sum(length(data)) FROM ' . sprintf($epoch, 2, 1_000_000_000));
		Time::HiRes::sleep($after);
		my $start = time;
		$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
		my ($out, $messages) = finish($session);
		like($messages, qr/ERROR:  57014: /, "$what: cancelled after $after s");
		cmp_ok(time - $start, '<', 10, "$what: at once");
	}
	is(ask_safe($session, 'SELECT delivered($$' . sprintf($epoch, 1, 20) . '$$)'), $want, "$what: the same batches after that");
	ask_safe($session, 'DECLARE held CURSOR WITH HOLD FOR SELECT batch FROM ' . sprintf($epoch, 1, 5));
	ask_safe($session, 'BEGIN; DECLARE c CURSOR FOR SELECT * FROM ' . sprintf($epoch, 1, 50) . '; MOVE 20 FROM c');
	ask_safe($session, 'COMMIT');
	ask_safe($session, 'DISCARD ALL');
	is(ask_safe($session, 'SELECT delivered($$' . sprintf($epoch, 1, 20) . '$$)'), $want, "$what: and after DISCARD ALL");
}
$session->quit;

# ------------------------------------------------------------------ memory

# Memory that is the backend's own
sub anonymous_kb
{
	my ($of) = @_;

	return slurp_file("/proc/$of/status") =~ /^RssAnon:\s+(\d+) kB/m ? $1 : die "no RssAnon of $of";
}

$session = open_session($node);
$pid = backend_pid($session);
set_way($session, '0', '0', 'on');
my $sum = 'SELECT sum(length(data)) FROM ';
my $bytes_sent = ask_safe($session, $sum . sprintf($epoch, 1, 234));
my $before = anonymous_kb($pid);
set_way($session, '1GB', '0', 'on');
ask_safe($session, 'BEGIN; DECLARE c CURSOR FOR SELECT length(data) FROM ' . sprintf($epoch, 1, 234) . '; MOVE 200 FROM c');
my $held = anonymous_kb($pid) - $before;
cmp_ok($held, '>', 10_000, "a large window holds its rows: $held kB");
ask_safe($session, 'COMMIT');
is(ask_safe($session, $sum . sprintf($epoch, 1, 234)), $bytes_sent, 'the same bytes in a large window');
my $after = anonymous_kb($pid) - $before;
# a block of up to 8 MB may stay for the next statement, and malloc's own
cmp_ok($after, '<', 24_000, "which is given back but for $after kB");

set_way($session, '4MB', '4MB', 'on');
my @resident;
for my $round (1 .. 4)
{
	ask_safe($session, "SELECT sum(length(data)) FROM sample_csr('many', 16, 'cell_type', seed => $round, n_steps => 3000)");
	push @resident, anonymous_kb($pid);
}
cmp_ok($resident[-1] - $resident[1], '<', 2048, 'thousands of steps take no more memory: ' . join(', ', @resident) . ' kB');
$session->quit;
$node->stop;
done_testing();
