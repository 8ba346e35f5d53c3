# Manifests outlive the server and are used again, and no way of dying leaves
# something behind that changes a row.  What would break: manifests that are
# built anew at each start, a manifest kept half-written, a temporary file or a
# program left by a backend that was killed.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use MappedcollTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir;
my ($conf, $program) = private_install("$dir/install");
my $node = new_node('restart_manifests',
	conf => [ $conf, 'restart_after_crash = on', 'log_min_messages = debug1' ]);
my $directory = $node->data_dir . '/mappedcoll';
my @files = copy_demo("$dir/files");

new_collection($node, \@files);
my $batch = $node->safe_psql('postgres', $DRAW);
my $digest = $node->safe_psql('postgres', $DIGEST);
my $state = manifest_state($directory);

like($batch, qr/^64\|[0-9a-f]{32}$/, 'a digest of a batch');
is(scalar(manifests($directory)), 3, 'each file has a manifest');
like($digest, qr/^3200\|[0-9a-f]{32}$/, 'a digest of 3200 rows');
is((stat $directory)[2] & 0777, 0700, 'only the server may look into the directory');
is(scalar(grep { (stat $_)[2] & 077 } manifests($directory)), 0, 'and at the manifests');

# No program, no building: what answers now are the manifests that are there
rename $program, "$program.away" or die $!;
my $log = -s $node->logfile;
$node->restart;
is($node->safe_psql('postgres', $DRAW), $batch, 'the same batch after a restart, without the program');
is($node->safe_psql('postgres', $DIGEST), $digest, 'the same rows after a restart, without the program');
is(manifest_state($directory), $state, 'the manifests are the same files');
unlike(slurp_file($node->logfile, $log), qr/is built anew/, 'and none was found wanting');
rename "$program.away", $program or die $!;

# kill -9 of a backend, and the server after it has restarted itself
sub kill_backend
{
	my ($pid, $session) = @_;
	my $seen = -s $node->logfile;

	kill 'KILL', $pid;
	eval { $session->{run}->finish; };
	wait_until(sub { slurp_file($node->logfile, $seen) =~ /all server processes terminated; reinitializing/ },
		'the server to notice');
	$node->poll_query_until('postgres', 'SELECT true') or die 'the server did not come back';
	return;
}

# Immediate shutdown in the middle of a scan
my $session = open_session($node);
send_query($session, 'SELECT count(md5(x)) FROM coll, generate_series(1, 100000)');
wait_until(
	sub { $node->safe_psql('postgres',
			"SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%count(md5(x))%' AND pid <> pg_backend_pid()") },
	'the scan');
$node->stop('immediate');
$session->{run}->finish;
$node->start;
is($node->safe_psql('postgres', $DRAW), $batch, 'the same batch after an immediate shutdown');
is($node->safe_psql('postgres', $DIGEST), $digest, 'the same rows after an immediate shutdown');
is(manifest_state($directory), $state, 'the manifests are still the same files');

# kill -9 of a backend that samples
$session = open_session($node);
send_query($session,
	"SELECT count(md5(x)) FROM sample_batch('coll', 1000000, 'cell_type', seed => 1)");
wait_until(
	sub { $node->safe_psql('postgres',
			"SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%1000000%' AND pid <> pg_backend_pid()") },
	'the sampling');
kill_backend(backend_pid($session), $session);
is($node->safe_psql('postgres', $DRAW), $batch, 'the same batch after a kill -9 of a sampling backend');
is($node->safe_psql('postgres', $DIGEST), $digest, 'the same rows after it');
is(manifest_state($directory), $state, 'and the same manifests');

# kill -9 of a backend whose programs are at work: they stop themselves first, so
# that there is something to kill
rename $program, "$program.real" or die $!;
write_bytes($program, stopping_script("$program.real"));
chmod 0755, $program;
unlink manifests($directory);
$session = open_session($node);
send_query($session, $DRAW);
my $builder = backend_pid($session);
my @stopped = @{ wait_until(sub { my @c = grep { / T$/ } children($builder); @c ? \@c : undef }, 'a stopped program') };
cmp_ok(scalar(temporaries($directory)), '>=', 1, 'a backend that builds has temporary files');
kill_backend($builder, $session);
cmp_ok(scalar(temporaries($directory)), '>=', 1, 'a kill -9 leaves them behind');
is(scalar(manifests($directory)), 0, 'and no manifest');
# they have no parent any more; let them run to their end
kill 'CONT', (split / /, $_)[0] for @stopped;
for my $stopped (@stopped)
{
	my ($pid) = split / /, $stopped;

	wait_until(sub { gone($pid) }, 'the end of an orphaned program');
}
is(scalar(manifests($directory)), 0, 'a program without a backend makes no manifest');

unlink $program;
rename "$program.real", $program or die $!;
is($node->safe_psql('postgres', $DRAW), $batch, 'the same batch afterwards');
is($node->safe_psql('postgres', $DIGEST), $digest, 'and the same rows');
is(scalar(manifests($directory)), 3, 'with the manifests there again');
is(scalar(temporaries($directory)), 0, 'and the dead backend\'s temporary files deleted');

$node->stop;
done_testing();
