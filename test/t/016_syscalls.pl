# Each system call of a build and of a read fails in turn.  What would break: an
# error that is swallowed and becomes wrong rows or a wrong manifest, a backend that
# dies, descriptors, programs, temporary files and mapped manifests left behind.
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

my ($node, $file, $program) = fault_node('syscalls');
my $session = open_session($node);
my %sound = remember($node, $session);
my $refresh = $MappedcollFaults::REFRESH;

# Errors that a call may have; what is not here is not made to fail: calls that
# cannot fail; brk, whose failure strace cannot show as the kernel does; close and
# munmap, which strace does not carry out when it lets them fail.
my %errors = (
	access => ['EACCES'], chdir => ['EACCES'], clock_gettime => ['EINVAL'],
	clone => [qw(EAGAIN ENOMEM)], clone3 => [qw(EAGAIN ENOMEM)], vfork => [qw(EAGAIN ENOMEM)],
	dup2 => ['EMFILE'], dup3 => ['EMFILE'],
	epoll_create1 => [qw(EMFILE ENOMEM)], epoll_ctl => ['ENOMEM'], epoll_wait => ['EINTR'],
	execve => [qw(EACCES ENOENT ENOMEM EAGAIN)], fadvise64 => ['EINVAL'],
	fcntl => ['EMFILE'], fstat => ['EIO'], fsync => [qw(EIO ENOSPC)], fdatasync => ['EIO'],
	ftruncate => [qw(EIO ENOSPC)], getdents64 => ['EIO'], getrandom => ['EAGAIN'],
	lseek => ['EIO'], lstat => ['EIO'], madvise => ['EAGAIN'], memfd_create => [qw(EMFILE ENOMEM)],
	mkdir => [qw(EACCES ENOSPC)], mmap => [qw(ENOMEM EACCES)], mprotect => ['ENOMEM'],
	mremap => ['ENOMEM'], newfstatat => [qw(EIO EACCES ENOMEM)],
	open => [qw(EACCES EMFILE EIO)], openat => [qw(EACCES EMFILE EIO ENOENT)],
	pipe => ['EMFILE'], pipe2 => ['EMFILE'], prctl => ['EPERM'], pread64 => [qw(EIO EINTR)],
	preadv => ['EIO'], prlimit64 => ['EPERM'], pwrite64 => [qw(EIO ENOSPC EINTR EDQUOT)],
	pwritev => [qw(EIO ENOSPC)], read => [qw(EIO EINTR)], readlink => ['EIO'],
	rename => [qw(EIO EACCES ENOSPC)], rt_sigaction => ['EINVAL'], rt_sigprocmask => ['EINVAL'],
	seccomp => [qw(EINVAL EACCES)], sigaltstack => ['ENOMEM'], stat => [qw(EIO EACCES)],
	statx => ['EIO'], unlink => [qw(EACCES EIO)], wait4 => ['EINTR'],
	write => [qw(EIO ENOSPC EINTR EPIPE)], writev => [qw(EIO ENOSPC)]);

# What a statement with a fault ended with: 'rows', 'warning' with rows, 'error',
# or what is wrong with it
sub outcome
{
	my ($out, $messages, $want) = @_;

	return 'the session ended' if $messages =~ /FATAL|PANIC|connection|terminated abnormally/;
	if ($messages =~ /ERROR:/)
	{
		return "bad: $messages" if $messages !~ /ERROR:  [0-9A-Z]{5}: \S/ || $out ne '';
		# the server's own words for what is not ours
		return "bad: $messages"
		  if $messages =~ /ERROR:  XX000: (?!epoll|could not load library)/;
		return 'errors';
	}
	return "bad: other rows: $out $messages" if $out ne $want;
	return $messages eq '' ? 'right rows' : 'right rows with a warning' if $messages !~ /ERROR/;
	return "bad: $messages";
}

# One point: the fault is there during sql; then all is sound.  Returns false where
# there was no such call any more.
sub point
{
	my ($kind, $call, $error, $n, $set, $sql, $want, $clear) = @_;

	$set->("-e", "trace=$call", "-e", "inject=$call:error=$error:when=$n");
	my ($out, $messages) = ask($session, $sql);
	my $was = injected();
	$clear->();
	my $outcome = outcome($out, $messages, $want);
	if ($outcome =~ /session ended/)
	{
		$session = connect_again($node);
	}
	my $wrong = sound_after($session);
	if ($outcome =~ /^bad/ || $wrong ne '')
	{
		fail("$kind: $call number $n fails with $error");
		diag("$outcome; $wrong");
		diag($messages);
		$outcome = 'bad';
		$session->quit;
		plain_program($program);
		unlink $sound{manifest};
		$session = open_session($node);
		ask($session, $refresh);
	}
	count_point($kind, $call, $was ? $outcome : 'not reached');
	return $was;
}

# All calls of a kind of work, by a run without faults
sub all_points
{
	my ($kind, $some, $calls, $set, $sql, $want, $clear, $before) = @_;
	my %n = %$calls;
	my $points = 0;

	for my $call (sort keys %n)
	{
		for my $error (@{ $errors{$call} // [] })
		{
			for my $at (pick($n{$call}, $some))
			{
				$before->();
				$points += point($kind, $call, $error, $at, $set, $sql, $want, $clear) ? 1 : 0;
			}
		}
	}
	cmp_ok($points, '>=', 8, "$kind: $points calls failed");
	return;
}

# ------------------------------------------------------- the program's calls

my $no_manifest = sub { unlink $sound{manifest} };
my $plain = sub { plain_program($program) };

$no_manifest->();
traced_program($program);
is(ask_safe($session, $refresh), '1', 'a build without a fault, of the program under strace');
my %calls = calls_of();
$plain->();
ok($calls{pread64} && $calls{fdatasync}, 'it reads and syncs');
all_points('the manifest program, building', 2, \%calls, sub { traced_program($program, @_) },
	$refresh, '1', $plain, $no_manifest);

# ------------------------------------------------------- the backend's calls

# Those of the server's own work with its tables, files and client are its own
# matter; ours are those on our files, and those of processes and pipes.
sub backend_calls
{
	my ($sql) = @_;

	attach(backend_pid($session));
	ask_safe($session, $sql);
	detach();
	my %n = calls_of();
	delete $n{$_} for qw(sendto recvfrom getpid kill rt_sigreturn rt_sigprocmask setitimer brk lseek);
	return %n;
}

$no_manifest->();
%calls = backend_calls($refresh);
ok($calls{rename} && $calls{wait4}, 'a backend renames and waits');
all_points('the backend, building', 3, \%calls, sub { attach(backend_pid($session), @_) },
	$refresh, '1', \&detach, $no_manifest);

# a session that has nothing open yet
my $fresh = sub {
	$session->quit;
	$session = open_session($node);
	ask($session, $refresh) if !-e $sound{manifest};
	ask_safe($session, "SELECT count(*) FROM pg_class");
};
$fresh->();
%calls = backend_calls($DRAW);
ok($calls{pread64}, 'a backend reads');
my $batch = ask_safe($session, $DRAW);
$fresh->();
all_points('the backend, reading', 3, \%calls, sub { attach(backend_pid($session), @_) },
	$DRAW, $batch, \&detach, $fresh);

# between the two: what the child does before it is the program
all_points('the child that becomes the program', 2, { map { $_ => 2 } qw(execve dup2 chdir) },
	sub { attach(backend_pid($session), '-f', @_) }, $refresh, '1', \&detach, $no_manifest);

$session->quit;
my $all = report_counts('System calls that fail, one at a time');
cmp_ok($all, '>=', every_point() ? 1000 : 150, "$all points");
$node->stop;
done_testing();
