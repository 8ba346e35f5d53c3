# A collection of 138 files, more than a session may hold open.  What would break:
# memory that grows with files or with batches, files that are opened to plan a
# query, descriptors beyond their limit, other rows where files are closed and
# opened again, a file that changes while its descriptor is kept.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use File::Copy qw(copy);
use File::Path qw(make_path);
use MappedcollTest;
use MappedcollFaults;
use PostgreSQL::Test::Utils;
use Test::More;

my $n_files = 138;
my $n_batches = 3000;
my $small = 16;    # cells of each of them
my $dir = PostgreSQL::Test::Utils::tempdir . '/many';
my ($source) = grep { /site_c/ } demo_files();
my @files = map { sprintf '%s/part_%03d.h5ad', $dir, $_ } 0 .. $n_files - 1;

make_path($dir);
for my $file (@files)
{
	copy($source, $file) or die "could not copy $source: $!";
}
my $node = new_node('scale');
new_collection($node, [$dir]);
is($node->safe_psql('postgres', "SELECT count(*), count(DISTINCT path) FROM collection_files('coll')"), "$n_files|$n_files", "$n_files files");

# Distinct descriptors on h5ad files
sub open_h5ad
{
	my ($session) = @_;

	return scalar grep { /\.h5ad$/ } map { readlink($_) // () } glob '/proc/' . backend_pid($session) . '/fd/*';
}

# Memory that a process has to itself, in kB
sub private_kb
{
	my ($pid) = @_;

	return slurp_file("/proc/$pid/status") =~ /^RssAnon:\s+(\d+) kB/m ? $1 : die "no RssAnon of $pid";
}

# ------------------------------------------------------- what planning opens

# The files that a process opens while a statement runs, by strace
my $problem = strace_problem();
my $log = PostgreSQL::Test::Utils::tempdir . '/strace.log';

sub opened_by
{
	my ($session, $sql) = @_;

	unlink $log, "$log.err";
	my $tracer = fork // die $!;
	if ($tracer == 0)
	{
		open STDERR, '>', "$log.err" or die $!;
		exec strace_path(), '-f', '-e', 'trace=open,openat,openat2', '-o', $log, '-p', backend_pid($session) or die $!;
	}
	wait_until(sub { -e "$log.err" && slurp_file("$log.err") =~ /attached/ }, 'strace');
	ask_safe($session, $sql);
	kill 'INT', $tracer;
	waitpid $tracer, 0;
	return grep { /\.h5ad"/ } split /\n/, slurp_file($log);
}

my %plans = (
	'a condition' => "EXPLAIN SELECT row_index, x FROM coll WHERE cell_type = 'B cell' AND n_counts > 100",
	'a join' => 'EXPLAIN SELECT a.x, b.cell_type FROM coll a JOIN coll b USING (row_index) ORDER BY a.n_counts',
	'an aggregate' => 'EXPLAIN SELECT donor_id, count(*) FROM coll GROUP BY 1',
	'a sample' => "EXPLAIN SELECT x FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE (1) LIMIT 10",
	'a prepared statement' => 'PREPARE p (bigint) AS SELECT x FROM coll WHERE row_index = $1; EXPLAIN EXECUTE p (5)');

for my $kind (sort keys %plans)
{
	my $session = open_session($node);

	if (defined $problem)
	{
		ask_safe($session, $plans{$kind});
		is(open_h5ad($session), 0, "$kind is planned: no h5ad file is open ($problem)");
	}
	else
	{
		my @opened = opened_by($session, $plans{$kind});

		is(scalar(@opened), 0, "$kind is planned without opening an h5ad file") or diag(join "\n", @opened);
	}
	$session->quit;
}

my $session = open_session($node);
if (!defined $problem)
{
	cmp_ok(scalar(opened_by($session, $DRAW)), '>=', 10, 'a batch opens some, and it is seen');
}

# --------------------------------------------------------------- descriptors

my $batch = "SELECT count(*), md5(string_agg(concat_ws('|', row_index, label, md5(x)), ',')) FROM "
  . "sample_batch('coll', 600, 'cell_type', seed => 7, step => %d)";
my $want = ask_safe($session, sprintf $batch, 1);
my $kept = open_h5ad($session);
cmp_ok($kept, '>', $n_files * 0.9, "as a rule all files stay open: $kept");
cmp_ok($kept, '<=', $n_files, 'each once');
for my $limit (1, 7, $n_files - 1)
{
	my $few = open_session($node);

	ask_safe($few, "SET mappedcoll.max_open_files = $limit");
	for (1 .. 3)
	{
		is(ask_safe($few, sprintf $batch, 1), $want, "at most $limit: the same rows");
		cmp_ok(open_h5ad($few), '<=', $limit, 'and not more are open');
	}
	$few->quit;
}

# Files that change while their descriptors are kept
my %changes = (
	'replaced' => sub { write_bytes($_[0], read_bytes($source)) },
	'touched' => sub { utime 1, 1, $_[0] or die $! },
	'longer' => sub { open my $f, '>>', $_[0] or die $!; print $f 'x'; close $f or die $! },
	'gone' => sub { unlink $_[0] or die $! });

ask_safe($session, 'SET mappedcoll.window_size = 0; SET mappedcoll.cache_size = 0');
for my $kind (sort keys %changes)
{
	my $file = $files[70];

	ask_safe($session, "BEGIN; DECLARE c NO SCROLL CURSOR FOR SELECT batch, md5(data) FROM sample_csr('coll', 2000, 'cell_type', seed => 3, n_steps => 5)");
	like(ask_safe($session, 'FETCH 1 FROM c'), qr/^0\|\w{32}$/, 'a batch of all files');
	$changes{$kind}->($file);
	my ($out, $messages) = ask($session, 'FETCH 1 FROM c');
	is($out, '', "one is $kind: no rows");
	like($messages, qr/ERROR:  (?:55000|58P01): .*"\Q$file\E"/, "one is $kind: an error");
	ask($session, 'ROLLBACK');
	unlink $file;
	copy($source, $file) or die $!;
	ask_safe($session, "SELECT refresh_collection('coll')");
	is(ask_safe($session, sprintf $batch, 1), $want, 'refreshed: the same rows');
}
$session->quit;

# ------------------------------------------------------------------- memory

# All that a session may keep beside its window and cache, while it reads a stream
my $tenth = $n_batches / 10;
$session = open_session($node);
ask_safe($session, 'SET mappedcoll.window_size = 0; SET mappedcoll.cache_size = 0');
ask_safe($session, "BEGIN; DECLARE c NO SCROLL CURSOR FOR SELECT n_rows, length(data) FROM "
	  . "sample_csr('coll', $small, 'cell_type', seed => 1, n_steps => $n_batches)");
my ($n, @memory) = (0);
for (1 .. 10)
{
	$n += grep { /^$small\|[1-9]/ } split /\n/, ask_safe($session, "FETCH $tenth FROM c");
	push @memory, private_kb(backend_pid($session));
}
is($n, $n_batches, "$n_batches batches were read");
is(ask_safe($session, 'FETCH 1 FROM c; COMMIT'), '', 'and those were all');
cmp_ok($memory[-1], '<', 50 * 1024, "memory is small for $n_files files: " . join(', ', @memory) . ' kB');
cmp_ok($memory[-1] - $memory[1], '<', 1024, 'and does not grow');
$session->quit;

# The same by a statement a batch, which is what a client in steps does
$session = open_session($node);
ask_safe($session, 'SET mappedcoll.window_size = 0; SET mappedcoll.cache_size = 0');
my $statement = "SELECT count(length(data)) FROM generate_series(%d, %d) AS s, "
  . "LATERAL sample_csr('coll', $small, 'cell_type', seed => 1, step => s)";
my @sessions = map {
	is(ask_safe($session, sprintf $statement, $_ * 200, $_ * 200 + 199), '200', '200 batches, a call each');
	private_kb(backend_pid($session))
} 0 .. 4;
cmp_ok($sessions[-1] - $sessions[1], '<', 1024, 'memory: ' . join(', ', @sessions) . ' kB');
$session->quit;

# ------------------------------------- few descriptors in the whole of a session

$node->append_conf('postgresql.conf', 'max_files_per_process = 64');
$node->restart;
$session = open_session($node);
ask_safe($session, 'SET mappedcoll.max_open_files = 10000');
is(ask_safe($session, sprintf $batch, 1), $want, 'max_files_per_process of 64: the same rows');
cmp_ok(open_h5ad($session), '<=', 16, 'no more than a quarter of them: ' . open_h5ad($session));
$session->quit;
$node->stop;
done_testing();
