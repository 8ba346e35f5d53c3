# A disk that is full under the manifests costs time, not rows.  What would break: a
# half-written manifest taken for a whole one, an error instead of memory, a full
# disk kept full by temporary files.
#
# The disk is a small tmpfs that the test's server alone sees, in a mount namespace
# of its own; where the kernel does not let an ordinary user have one, the test is
# skipped.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use MappedcollTest;
use PostgreSQL::Test::Utils;
use Test::More;

my @unshare = qw(unshare --user --mount --map-current-user --keep-caps);
my $dir = PostgreSQL::Test::Utils::tempdir;

mkdir "$dir/small" or die $!;
if (system("@unshare mount -t tmpfs -o size=64k none '$dir/small' 2>/dev/null") != 0)
{
	plan skip_all => 'this system lets no ordinary user mount a tmpfs of his own';
}

my $node = new_node('disk_full');
my @files = copy_demo("$dir/files");

new_collection($node, \@files);
my $batch = $node->safe_psql('postgres', $DRAW);
my $digest = $node->safe_psql('postgres', $DIGEST);
my $size = -s (manifests($node->data_dir . '/mappedcoll'))[0];
cmp_ok($size, '>', 65536, 'a manifest is larger than that disk');
$node->append_conf('postgresql.conf', "mappedcoll.manifest_directory = '$dir/small/manifests'");
$node->stop;

# The same server in the namespace with the small disk
my ($data, $log, $bin) = ($node->data_dir, $node->logfile, $node->config_data('--bindir'));
system_or_bail(@unshare, 'sh', '-c',
	"mount -t tmpfs -o size=64k none '$dir/small' && exec '$bin/pg_ctl' -w -D '$data' -l '$log' start >/dev/null");
$node->_update_pid(1);

my $session = open_session($node);
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_ls_dir('$dir/small')"), '0', 'the disk is empty');
my ($out, $messages) = ask($session, $DRAW);
is($out, $batch, 'the same batch');
like($messages, qr/WARNING:  58030: could not write to manifest directory "\Q$dir\E\/small\/manifests": .*No space left on device/, 'with a warning');
like($messages, qr/^DETAIL:  Manifests are kept in the memory of this session/m, 'which says what happens now');
is(scalar(() = $messages =~ /WARNING/g), 1, 'once');
is(ask_safe($session, $DIGEST), $digest, 'the same rows, with nothing more to say');
is(ask_safe($session, "SELECT count(*) FROM pg_ls_dir('$dir/small/manifests')"), '0', 'nothing is left on the disk');
is(ask_safe($session, "SELECT refresh_collection('coll')"), '3', 'a refresh builds them again');
is(ask_safe($session, $DRAW), $batch, 'and the batch is the same');
is(ask_safe($session, "SELECT count(*) FROM pg_ls_dir('$dir/small/manifests')"), '0', 'the disk is still empty');

# Other sessions do the same for themselves
($out, $messages) = ask(my $second = open_session($node), $DIGEST);
is($out, $digest, 'another session: the same rows');
like($messages, qr/WARNING:  58030: .*No space left on device/, 'and a warning of its own');

$_->quit for $session, $second;
$node->stop;
done_testing();
