# SIGKILL of the manifest program and of the backend at each call of a build that
# changes something.  What would break: half a manifest that is believed, files that
# nobody deletes, programs that work on for nobody, a server that does not come back
# or comes back with other rows.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use MappedcollTest;
use MappedcollFaults;
use PostgreSQL::Test::Utils;
use Test::More;

my $problem = strace_problem();
plan skip_all => $problem if $problem;

my ($node, $file, $program) = fault_node('kills', conf => ['restart_after_crash = on']);
my $session = open_session($node);
my %sound = remember($node, $session);
my $refresh = $MappedcollFaults::REFRESH;

# Programs that work on this test's files
sub programs
{
	return grep { (readlink("$_/exe") // '') eq "$program.real" } glob '/proc/[0-9]*';
}

# ------------------------------------------------------------- the program

unlink $sound{manifest};
traced_program($program);
is(ask_safe($session, $refresh), '1', 'a build of the program under strace');
my %calls = calls_of();
my $points = 0;
for my $call (grep { $calls{$_} } qw(openat pread64 pwrite64 write ftruncate fsync fdatasync exit_group))
{
	my $clean = 1;

	for my $at (pick($calls{$call}, 4))
	{
		unlink $sound{manifest};
		traced_program($program, '-e', "trace=$call", '-e', "inject=$call:signal=KILL:when=$at");
		my ($out, $messages) = ask($session, $refresh);
		plain_program($program);

		# after its last word the program may end as it likes
		my $error = $messages =~ /ERROR:  XX001: file "\Q$file\E": the manifest program was terminated by signal 9: Killed/;
		$clean = 0 if !$error || $out ne '';
		diag("$call number $at: $out $messages") if !$error;
		my $torn = -e $sound{manifest};
		my $wrong = sound_after($session);
		$clean = 0 if $wrong ne '' || $torn;
		diag("the program killed at $call number $at: $wrong") if $wrong ne '' || $torn;
		count_point('the manifest program is killed', $call, $error && $wrong eq '' ? 'errors, then right rows' : 'bad');
		$points++;
	}
	ok($clean, "the program is killed at $call: an error, nothing of it left, the next build is right");
}
cmp_ok($points, '>=', 15, "the program is killed at $points points");

# ------------------------------------------------------------- the backend

unlink $sound{manifest};
attach(backend_pid($session));
is(ask_safe($session, $refresh), '1', 'a build of a backend under strace');
detach();
%calls = calls_of();
$points = 0;
for my $call (grep { $calls{$_} }
	qw(openat newfstatat pipe2 clone clone3 vfork fcntl read epoll_ctl wait4 mmap rename unlink fsync close munmap))
{
	for my $at (pick($calls{$call}, $call =~ /^(?:rename|mmap|wait4|openat)$/ ? 2 : 1))
	{
		unlink $sound{manifest};
		my $pid = backend_pid($session);
		attach($pid, '-e', "trace=$call", '-e', "inject=$call:signal=KILL:when=$at");
		$session->{stderr} = '';
		my $alive = eval { $session->query($refresh); $session->query('SELECT 1') } // '';
		detach();
		if ($alive eq '1')
		{
			count_point('a backend is killed', $call, 'not reached');
			next;
		}
		eval { $session->quit };
		wait_until(sub { gone($pid) }, 'the backend ends');
		$session = connect_again($node);
		my $wrong = '';
		eval { wait_until(sub { !programs() }, 'programs of a killed backend end'); 1 } or $wrong = 'a program works on; ';
		if (-e $sound{manifest})
		{
			$wrong .= 'a torn manifest; ' if read_bytes($sound{manifest}) ne $sound{bytes};
		}
		my $left = temporaries($sound{directory});

		# the next build clears up
		unlink $sound{manifest};
		ask($session, $refresh);
		my $rest = sound_after($session);
		$wrong .= $rest;
		count_point('a backend is killed', $call, $wrong eq '' ? 'right rows afterwards' : 'bad');
		ok($wrong eq '', "a backend is killed at $call number $at"
			  . ($left ? ', which leaves a temporary file that the next build deletes' : ''))
		  or diag($wrong);
		$points++;
	}
}
cmp_ok($points, '>=', 8, "a backend is killed at $points points");

$session->quit;
report_counts('SIGKILL at one call of a build');
$node->stop;
done_testing();
