# Files that are made to break HDF5 are refused one after the other by one and the
# same backend, which stays as it was.  What would break: libhdf5 in a backend, an
# error path that leaks memory, a mapping, a descriptor or a program.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use MappedcollTest;
use File::Find;
use PostgreSQL::Test::Utils;
use Test::More;

my $malformed = $ENV{MC_MALFORMED} // '';
my @bad;
find({ no_chdir => 1, wanted => sub { push @bad, $_ if -f $_ } }, $malformed) if $malformed ne '';
@bad = sort grep { !/(?:README\.md|COPYING)$/ } @bad;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $data = read_bytes((demo_files())[2]);

# Damaged copies of a file of the demo, for machines without that collection too:
# cut at many places, and with bytes changed where the metadata lies
for my $i (1 .. 12)
{
	write_bytes("$dir/cut$i.h5ad", substr $data, 0, int(length($data) * $i / 13));
}
push @bad, glob "$dir/cut*.h5ad";
write_bytes("$dir/empty.h5ad", '');
write_bytes("$dir/zeros.h5ad", "\0" x 10000);
write_bytes("$dir/text.h5ad", "barcode\tcell_type\n" x 100);
write_bytes("$dir/signature.h5ad", "\x89HDF\r\n\x1a\n");
push @bad, map { "$dir/$_.h5ad" } qw(empty zeros text signature);

my $node = new_node('malformed', conf => [ "mappedcoll.manifest_cpu_time = 20", "mappedcoll.manifest_memory = '512MB'" ]);
my $directory = $node->data_dir . '/mappedcoll';

new_collection($node, [ demo_files() ]);
my $batch = $node->safe_psql('postgres', $DRAW);
my $session = open_session($node);
my $pid = backend_pid($session);

is(ask_safe($session, $DRAW), $batch, 'a good collection before');

# Memory of the backend as PostgreSQL counts it
my $contexts = $node->pg_version < 14 ? 'SELECT 0'
  : q{SELECT sum(total_bytes) FROM pg_backend_memory_contexts WHERE name NOT IN ('CacheMemoryContext', 'index info', 'relation rules')};

my (@resident, @descriptors, @bytes);
for my $round (1 .. 3)
{
	for my $file (@bad)
	{
		my ($name) = $file =~ m{([^/]+/[^/]+)$};
		my ($out, $messages) = ask($session, "SELECT create_collection('bad', ARRAY['$file'])");
		my ($error) = $messages =~ /ERROR:  (.*)/;

		if (!defined $error)
		{
			fail("round $round: $name is refused");
			diag("$out $messages");
			ask($session, 'DROP TABLE IF EXISTS bad');
			next;
		}
		# internal errors are ours, syntax errors are no answer
		unlike($error, qr/^(?:XX000|42601)/, "round $round: $name: $error");
		like($error, qr/"\Q$file\E"/, "round $round: $name is named in it") if $round == 1;
		like($messages, qr/^(?:HINT|DETAIL):  /m, "round $round: $name: and something to go by") if $round == 1;
	}
	is(ask_safe($session, 'SELECT pg_backend_pid()'), $pid, "round $round: the backend is the same");
	is(ask_safe($session, $DRAW), $batch, "round $round: a good collection samples as before");
	is(join(' ', children($pid)), '', "round $round: no program is left");
	is(join(' ', temporaries($directory)), '', "round $round: no temporary file");
	is(scalar(manifests($directory)), 3, "round $round: no manifest but those of good files");
	push @descriptors, descriptors($pid);
	push @resident, resident_kb($pid);
	push @bytes, ask_safe($session, $contexts);
}
note "descriptors: @descriptors; resident kB: @resident; contexts: @bytes";
is($descriptors[2], $descriptors[0], 'as many descriptors after the third round as after the first');
cmp_ok($resident[2] - $resident[1], '<', 1024, 'no more memory after the third round than after the second (VmRSS)');
cmp_ok($bytes[2], '<=', $bytes[1], 'nor in memory contexts');
is($node->safe_psql('postgres', $DRAW), $batch, 'a new session samples as before');
unlike(slurp_file($node->logfile), qr/PANIC|server process \(PID \d+\) was terminated by signal/, 'no server process died');

$session->quit;
$node->stop;
done_testing();
