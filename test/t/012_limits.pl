# The limits hold and what is beyond them is a clear error; long work ends when it is
# told to.  What would break: a bound on open files that is not kept, a chunk decoded
# whatever its size, a loop that does not look for interrupts.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use MappedcollTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = new_node('limits');
my $directory = $node->data_dir . '/mappedcoll';
my @files = demo_files();

new_collection($node, \@files);
my $batch = $node->safe_psql('postgres', $DRAW);
my $digest = $node->safe_psql('postgres', $DIGEST);
my $session = open_session($node);
my $pid = backend_pid($session);

sub open_h5ad
{
	return scalar grep { /\.h5ad$/ } map { readlink($_) // () } glob "/proc/$pid/fd/*";
}

# ------------------------------------------------------------- open files

ask_safe($session, 'SET mappedcoll.max_open_files = 1');
is(ask_safe($session, $DRAW), $batch, 'one open file for three: the same batch');
is(open_h5ad(), 1, 'and one descriptor');
is(ask_safe($session, $DIGEST), $digest, 'the same rows');
is(open_h5ad(), 1, 'and one descriptor');
ask_safe($session, 'SET mappedcoll.max_open_files = 2');
is(ask_safe($session, $DRAW), $batch, 'two: the same batch');
is(open_h5ad(), 2, 'two descriptors');
ask_safe($session, 'RESET mappedcoll.max_open_files');
is(ask_safe($session, $DRAW), $batch, 'the default: the same batch');
is(open_h5ad(), 3, 'three descriptors');
ask_safe($session, 'SET mappedcoll.max_open_files = 1');
is(ask_safe($session, "SELECT count(md5(x)) FROM coll WHERE row_index = 3000"), '1', 'fewer again');
cmp_ok(open_h5ad(), '<=', 3, 'never more than before');
fails($session, 'SET mappedcoll.max_open_files = 0', '22023', qr/0 is outside the valid range/, undef, 'none is refused');
ask_safe($session, 'RESET mappedcoll.max_open_files');

# Many collections in one session: descriptors stay bounded
for my $i (1 .. 6)
{
	my $list = join ', ', map { "'$_'" } @files;
	ask_safe($session, "SELECT create_collection('more$i', ARRAY[$list])");
}
ask_safe($session, 'SET mappedcoll.max_open_files = 4');
my $sum = join ' + ', map { "(SELECT count(md5(x)) FROM sample_batch('more$_', 50, 'cell_type'))" } 1 .. 6;
is(ask_safe($session, "SELECT $sum"), '300', 'six collections at the same time');
cmp_ok(open_h5ad(), '<=', 4, 'within max_open_files');
ask_safe($session, 'RESET mappedcoll.max_open_files; DROP TABLE more1, more2, more3, more4, more5, more6');
is(ask_safe($session, $DRAW), $batch, 'and the first one as before');
is(open_h5ad(), 3, 'dropped collections hold no descriptor');

# max_files_per_process: many manifests at once are fewer then
$node->append_conf('postgresql.conf', "max_files_per_process = 64\nmappedcoll.manifest_workers = 64");
$session->quit;
$node->restart;
unlink manifests($directory);
is($node->safe_psql('postgres', $DRAW), $batch, 'few files for a process: manifests are built all the same');
is($node->safe_psql('postgres', $DIGEST), $digest, 'and rows read');
$session = open_session($node);
$pid = backend_pid($session);

# ------------------------------------------------------------- chunk size

my ($out, $messages);

# All of this file's data is one chunk of 1 MB
my $large = data_dir() . '/tap/large_chunk.h5ad';
my $sums = "SELECT count(*), sum(g000), sum(g499) FROM large";
$node->safe_psql('postgres', "SELECT create_collection('large', ARRAY['$large'], genes => ARRAY['g000', 'g499'])");
ask_safe($session, "SET mappedcoll.max_chunk_size = '512kB'");
for my $sql ($sums, "SELECT x FROM large WHERE row_index = 3", "SELECT x FROM sample_batch('large', 2)",
	"SELECT row_index, x_values FROM large TABLESAMPLE weighted('batch') LIMIT 2")
{
	fails($session, $sql, '54000', qr/file "\Q$large\E": .*chunk/, qr/max_chunk_size/, "a chunk that is too large: $sql");
}
is(ask_safe($session, 'SELECT count(batch) FROM large'), '500', 'metadata is read without chunks');
is(ask_safe($session, $DIGEST), $digest, 'smaller chunks are read');
ask_safe($session, "SET mappedcoll.max_chunk_size = '1MB'");
# (7 i + j) mod 5 + 1: each of 1 to 5 for 100 of the cells
is(ask_safe($session, $sums), '500|1500|1500', 'a raised limit counts in the same session');
is(ask_safe($session, "SELECT g000, g499 FROM large WHERE row_index = 3"), '2|1', 'with the values of the file');
ask_safe($session, 'RESET mappedcoll.max_chunk_size');

# ------------------------------------------------- memory of the program

# Two million cells in a file of 91 kB
my $many = data_dir() . '/tap/many_cells.h5ad';
ask_safe($session, "SET mappedcoll.manifest_memory = '64MB'");
fails($session, "SELECT create_collection('many', ARRAY['$many'])", '54000', qr/file "\Q$many\E": .*out of memory/,
	qr/manifest_memory/, 'a manifest that needs more than manifest_memory');
is(join(' ', temporaries($directory)), '', 'leaves no temporary file');
is(join(' ', children($pid)), '', 'nor a program');
ask_safe($session, 'RESET mappedcoll.manifest_memory');
is(ask_safe($session, "SELECT create_collection('many', ARRAY['$many'])"), 'many', 'is built with more');
is(ask_safe($session, "SELECT count(*), min(obs_name), max(obs_name), sum(n_counts) FROM many WHERE row_index >= 1999990"), '10|cell|cell|0', 'and read');
is(ask_safe($session, "SELECT count(*), count(DISTINCT row_index) > 1 FROM sample_batch('many', 100, seed => 1)"), '100|t', 'and sampled');
ask_safe($session, "SET statement_timeout = '100ms'");
unlink manifests($directory);
ask($session, "SELECT refresh_collection('many')");
ask_safe($session, 'SET statement_timeout = 0');
is(join(' ', children($pid)), '', 'a timeout at any moment of a build leaves no program');
is(join(' ', temporaries($directory)), '', 'nor a temporary file');
ask_safe($session, 'DROP TABLE many');

# ------------------------------------------------------------ interruption

my %long = (
	'a scan' => 'SELECT sum(length(md5(x))) FROM generate_series(1, 100000) g, LATERAL (SELECT x FROM coll WHERE row_index < 3000 + g % 2) s',
	'a large batch' => "SELECT count(md5(x)) FROM sample_batch('coll', 1000000, 'cell_type')",
	'many batches without replacement' => "SELECT count(md5(data)) FROM sample_csr('coll', 1000, 'cell_type', replacement => false, n_steps => 1000000)",
	'many draws' => "SELECT count(row_index) FROM sample_rows('coll', 1000, 'cell_type', n_steps => 1000000)",
	'many dense batches' => "SELECT count(md5(data)) FROM sample_dense('coll', 100, n_steps => 1000000)",
	'obs only' => 'SELECT count(a.cell_type) FROM coll a, coll b, coll c WHERE a.n_counts + b.n_counts + c.n_counts = -1',
	'TABLESAMPLE' => "SELECT sum(n) FROM generate_series(1, 1000000) g, LATERAL (SELECT count(row_index) n FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE (g)) s",
	'many labels' => "SELECT sum(n) FROM generate_series(1, 1000000) g, LATERAL (SELECT count(*) n FROM labels('coll', 'cell_type, donor_id') WHERE n_rows > g) s",
	'a filter' => "SELECT count(*) FROM generate_series(1, 1000000) g, LATERAL (SELECT count(*) FROM sample_batch('coll', 10, 'cell_type', filter => 'n_counts > ' || g)) s");
for my $what (sort keys %long)
{
	ask_safe($session, "SET statement_timeout = '200ms'");
	my $begin = time;
	($out, $messages) = ask($session, $long{$what});
	my $seconds = time - $begin;
	ask_safe($session, 'SET statement_timeout = 0');

	like($messages, qr/ERROR:  57014: canceling statement due to statement timeout/, "statement_timeout ends $what");
	cmp_ok($seconds, '<', 5, "$what: soon");
	is(ask_safe($session, $DRAW), $batch, "$what: the same batch after that");
}

# cancelled from outside, again and again at other moments
my $open = open_h5ad();
for my $i (1 .. 15)
{
	send_query($session, $long{'a large batch'});
	select undef, undef, undef, 0.01 * $i;
	$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
	($out, $messages) = finish($session);
	fail("cancel $i") if $messages !~ /ERROR:  57014: canceling statement due to user request/;
}
is(ask_safe($session, 'SELECT pg_backend_pid()'), $pid, 'fifteen cancels, the same backend');
is(ask_safe($session, $DIGEST), $digest, 'and the same rows');
is(open_h5ad(), $open, 'and as many descriptors');

# a connection that sits there with all of it open and is told to go
ask_safe($session, "SET idle_session_timeout = '100ms'") if $node->pg_version >= 14;
SKIP:
{
	skip 'idle_session_timeout is of PostgreSQL 14', 1 if $node->pg_version < 14;
	wait_until(sub { gone($pid) }, 'the end of an idle session');
	pass('an idle session ends');
}
eval { $session->{run}->finish; };

# idle in a transaction, with a cursor in the middle of a batch
$session = open_session($node);
$pid = backend_pid($session);
ask_safe($session, "SET idle_in_transaction_session_timeout = '200ms'");
ask($session, "BEGIN; DECLARE c CURSOR FOR SELECT row_index, x FROM sample_batch('coll', 5000, 'cell_type'); FETCH 1 FROM c");
wait_until(sub { gone($pid) }, 'the end of a session idle in transaction');
eval { $session->{run}->finish; };
is($node->safe_psql('postgres', $DRAW), $batch, 'the server goes on');
unlike(slurp_file($node->logfile), qr/PANIC|server process \(PID \d+\) was terminated by signal/, 'no process crashed');

# ----------------------------------------------------------- steady memory

# The same small batches for long: memory of the session does not grow
$session = open_session($node);
$pid = backend_pid($session);
my @resident;
for my $round (1 .. 3)
{
	ask_safe($session,
		"DO \$\$ BEGIN FOR i IN 1 .. 300 LOOP PERFORM count(md5(x)) FROM sample_batch('coll', 64, 'cell_type', seed => 1, step => i); END LOOP; END \$\$");
	push @resident, resident_kb($pid);
}
note "resident kB: @resident";
cmp_ok($resident[2] - $resident[1], '<', 1024, 'a session that samples for long does not grow');
$session->quit;

$node->stop;
done_testing();
