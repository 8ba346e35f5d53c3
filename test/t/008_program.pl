# The manifest program may do whatever it likes: die, hang, be missing, lie.  What
# would break: a backend that waits for ever or dies with it, a program or a
# temporary file left behind by a cancelled query, a status line or a manifest
# that is believed.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use MappedcollTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $dir = PostgreSQL::Test::Utils::tempdir;
my ($conf, $program) = private_install("$dir/install");
my $node = new_node('program', conf => [ $conf, 'mappedcoll.manifest_workers = 2' ]);
my $directory = $node->data_dir . '/mappedcoll';
my @files = copy_demo("$dir/files");
my $real = "$program.real";

new_collection($node, \@files);
my $batch = $node->safe_psql('postgres', $DRAW);
my $digest = $node->safe_psql('postgres', $DIGEST);

my $session = open_session($node);
my $pid = backend_pid($session);
my $named = qr/file "\Q$dir\E\/files\/pbmc_site_[abc]\.h5ad"/;

rename $program, $real or die $!;

# The program from now on: a script
sub program_is
{
	my ($script) = @_;

	write_bytes($program, $script);
	chmod 0755, $program or die $!;
	return;
}

sub shell
{
	return program_is("#!/bin/sh\n$_[0]\n");
}

# Descriptors of the backend that could be those of a build: pipes, h5ad files,
# manifests
sub open_descriptors
{
	return scalar grep { /memfd|\.h5ad|\.tmp|\.manifest|pipe:/ } map { readlink($_) // () } glob "/proc/$pid/fd/*";
}
my $descriptors;

# Nothing is left of a build that did not come to its end
sub clean
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	subtest "$name: nothing is left" => sub {
		is(join(' ', children($pid)), '', 'no child of the backend');
		is(join(' ', temporaries($directory)), '', 'no temporary file');
		is(join(' ', manifests($directory)), '', 'no manifest');
		is(open_descriptors(), $descriptors, 'no descriptor');
	};
	return;
}

unlink manifests($directory);
$descriptors = open_descriptors();

# ------------------------------------------------------------------ missing

fails($session, $DRAW, '58P01', qr/could not execute "\Q$program\E": No such file or directory/, qr/Reinstall/, 'the program is missing');
clean('missing');
program_is("#!/nowhere/interpreter\n");
fails($session, $DRAW, '58P01', qr/could not execute "\Q$program\E"/, qr/Reinstall/, 'its interpreter is missing');
clean('no interpreter');
program_is('not a program');
chmod 0644, $program;
fails($session, $DRAW, '42501', qr/could not execute "\Q$program\E": Permission denied/, qr/Reinstall/, 'it may not be executed');
chmod 0755, $program;
fails($session, $DRAW, $_, qr/could not execute "\Q$program\E": Exec format error/, qr/Reinstall/, 'it is no program')
  for ('XX000');
clean('no program');
unlink $program;
mkdir $program or die $!;
fails($session, $DRAW, '42501', qr/could not execute "\Q$program\E"/, undef, 'a directory in its place');
rmdir $program;

# ---------------------------------------------------------- how it can fail

my @failures = (
	[ 'ends at once', 'exit 0', 'XX001', qr/$named: the manifest program exited with exit code 0 without a result/ ],
	[ 'ends with a status', 'exit 3', 'XX001', qr/$named: the manifest program exited with exit code 3 without a result/ ],
	[ 'crashes', 'kill -SEGV $$', 'XX001', qr/$named: the manifest program was terminated by signal 11/ ],
	[ 'aborts', 'kill -ABRT $$', 'XX001', qr/$named: the manifest program was terminated by signal 6/ ],
	[ 'is killed', 'kill -KILL $$', 'XX001', qr/$named: the manifest program was terminated by signal 9/ ],
	[ 'is interrupted by somebody', 'kill -INT $$', 'XX001', qr/$named: the manifest program was terminated by signal 2/ ],
	[ 'is terminated by somebody', 'kill -TERM $$', 'XX001', qr/$named: the manifest program was terminated by signal 15/ ],
	[ 'reaches the CPU limit', 'kill -XCPU $$', '54000', qr/$named: the manifest program was terminated by signal 24/ ],
	[ 'reaches the file size limit', 'kill -XFSZ $$', '54000', qr/$named: the manifest program was terminated by signal 25/ ],
	[ 'says nonsense', 'echo hello >&5; exit 0', 'XX001', qr/$named: the manifest program wrote an invalid status line/ ],
	[ 'says nothing but newlines', 'printf "\n\n" >&5; exit 0', 'XX001', qr/$named: the manifest program wrote an invalid status line/ ],
	[ 'says a NUL', 'printf "done\000\n" >&5; exit 0', 'XX001', qr/$named: the manifest program wrote an invalid status line/ ],
	[ 'never ends its line', 'while printf "progress 1 2 " >&5; do :; done', 'XX001', qr/$named: the manifest program wrote an invalid status line/ ],
	[ 'says done twice', 'printf "done\ndone\n" >&5; exit 0', 'XX001', qr/$named: the manifest program wrote an invalid status line/ ],
	[ 'says an error of an unknown code', 'printf "error\t99\twhat\t\n" >&5; exit 1', 'XX001', qr/$named: the manifest program wrote an invalid status line/ ],
	[ 'says an error without a message', 'printf "error\t1\t\t\n" >&5; exit 1', 'XX001', qr/$named: the manifest program wrote an invalid status line/ ],
	[ 'says progress that is none', 'printf "progress\t-1\t5\n" >&5; exit 0', 'XX001', qr/$named: the manifest program wrote an invalid status line/ ],
	[ 'says done and nothing else', 'printf "done\n" >&5; exit 0', 'XX001', qr/$named: the manifest program wrote an invalid manifest/ ],
	[ 'writes a text for a manifest', 'seq 10000 >&4; printf "done\n" >&5; exit 0', 'XX001', qr/$named: the manifest program wrote an invalid manifest/ ],
	[ 'says done and fails', "'$real' \"\$@\"; exit 1", 'XX001', qr/$named: the manifest program exited with exit code 1 without a result/ ],
	[ 'says done and crashes', "'$real' \"\$@\"; kill -SEGV \$\$", 'XX001', qr/$named: the manifest program was terminated by signal 11/ ],
	[ 'appends to its manifest', "'$real' \"\$@\" 5>/dev/null; echo more >&4; printf 'done\\n' >&5; exit 0", 'XX001', qr/$named: the manifest program wrote an invalid manifest/ ],
	[ 'says an error', 'printf "error\t1\tthe message\tThe detail.\n" >&5; exit 1', 'XX001', qr/$named: the message/ ],
	[ 'says an error in strange bytes', 'printf "error\t1\ta\377b\303\251c\tThe detail.\n" >&5; exit 1', 'XX001', qr/$named: a\?b\x{c3}\x{a9}c/ ],
	[ 'runs out of time', 'printf "error\t7\treading the file took too much CPU time\t\n" >&5; exit 1', '54000',
		qr/$named: reading the file took too much CPU time/, qr/manifest_cpu_time/ ],
	[ 'runs out of memory', 'printf "error\t8\tout of memory\t\n" >&5; exit 1', '54000', qr/$named: out of memory/ ]);

for my $failure (@failures)
{
	my ($name, $script, $state, $message, $hint) = @$failure;

	shell($script);
	fails($session, $DRAW, $state, $message, $hint, "a program that $name");
	clean("a program that $name");
}

# ------------------------------------------- what fails at uns does without

my @at_uns = (
	[ 'crashes at uns', 'kill -SEGV $$' ],
	[ 'says an error at uns', 'printf "error\t1\tHDF5 crashed on the file\t\n" >&5; exit 1' ],
	[ 'takes too long at uns', 'printf "error\t7\treading the file took too much CPU time\t\n" >&5; exit 1' ],
	[ 'says nonsense at uns', 'echo hello >&5; exit 0' ]);
for my $failure (@at_uns)
{
	my ($name, $script) = @$failure;

	shell("case \"\$*\" in *--without-uns) exec '$real' \"\$@\";; esac; printf 'uns\\n' >&5; $script");
	my $own = open_session($node);
	is(ask_safe($own, $DRAW), $batch, "a program that $name is started again");
	is(ask_safe($own, q{SELECT count(*), count(uns), count(DISTINCT skipped) FROM collection_uns('coll') WHERE skipped[1] ~ '^uns/\* crashed the program'}),
		'3|0|1', 'and uns is left out');
	$own->quit;
	unlink manifests($directory);
}
shell("printf 'uns\\n' >&5; kill -SEGV \$\$");
fails($session, $DRAW, 'XX001', qr/$named: the manifest program was terminated by signal 11/, undef, 'a program that crashes without uns, too');
clean('crashes twice');
for my $end ([ 'killed', 'kill -KILL $$', 'XX001', qr/signal 9/ ], [ 'out of memory', 'printf "error\t8\tout of memory\t\n" >&5; exit 1', '54000', qr/out of memory/ ])
{
	my ($name, $script, $state, $message) = @$end;

	shell("case \"\$*\" in *--without-uns) exec '$real' \"\$@\";; esac; printf 'uns\\n' >&5; $script");
	fails($session, $DRAW, $state, $message, undef, "a program that is $name at uns is not started again");
	clean($name);
}

# with the manifest of another file or matrix
shell("exec '$real' --build --matrix layers/counts --max-memory 0 --max-cpu-time 0 --max-file-size 0");
my ($out, $messages) = ask($session, $DRAW);
like($messages, qr/ERROR:  (?:XX001: $named: the manifest program wrote an invalid manifest: it is of another matrix|42704: )/,
	'a program that builds another matrix');
clean('another matrix');
shell("exec '$real' \"\$@\" 3<'$files[0]' 3<'$files[0]'");
fails($session, 'SELECT count(md5(x)) FROM coll WHERE row_index > 1600', 'XX001',
	qr/$named: the manifest program wrote an invalid manifest: it is of another file/, undef, 'a program that reads another file');
is(join(' ', temporaries($directory)), '', 'and leaves no temporary file');
unlink manifests($directory);

# one that fails for the third file only leaves the others' manifests or none,
# but no temporary file
shell("test \$(stat -L -c %s /dev/fd/3) -eq " . (-s $files[2]) . " && exit 7\nexec '$real' \"\$@\"");
fails($session, $DRAW, 'XX001', qr/file "\Q$files[2]\E": .*exit code 7/, undef, 'a program that fails for the third file');
is(join(' ', temporaries($directory)), '', 'and leaves no temporary file');
is(join(' ', children($pid)), '', 'and no child');
unlink manifests($directory);

# the pipe closed, and still at work: it gets some time to end, then it is killed
shell("'$real' \"\$@\"; exec 5>&-; exec sleep 1000");
my $begin = time;
fails($session, 'SELECT count(*) FROM coll', 'XX001', qr/$named: the manifest program was terminated by signal 9/, undef,
	'a program that does not end after its last word');
cmp_ok(time - $begin, '<', 60, 'is ended');
clean('does not end');

# ------------------------------------------------------------------- limits

# what it is told to keep to
shell("printf '%s\\n' \"\$*\" >'$dir/arguments'\nexec '$real' \"\$@\"");
ask_safe($session, "SET mappedcoll.manifest_memory = '123MB'; SET mappedcoll.manifest_cpu_time = 77; SET mappedcoll.manifest_size = '33MB'");
is(ask_safe($session, $DRAW), $batch, 'with limits that suffice: the same batch');
is(slurp_file("$dir/arguments"), "--build --matrix X --group  --max-memory 128974848 --max-cpu-time 77 --max-file-size 34603008\n",
	'the program is given the limits');
unlink manifests($directory);

# its environment, descriptors and directory
shell("env >'$dir/environment'; ls /proc/self/fd >'$dir/descriptors'; pwd >'$dir/directory'\nexec '$real' \"\$@\"");
ask_safe($session, "SELECT refresh_collection('coll')");
unlike(slurp_file("$dir/environment"), qr/^(?!PWD=|OLDPWD=|SHLVL=|_=)\w/m, 'its environment is empty');
is(slurp_file("$dir/directory"), "/\n", 'its directory is /');
is(join(' ', sort { $a <=> $b } grep { $_ < 6 } split /\n/, slurp_file("$dir/descriptors")), '0 1 2 3 4 5', 'it has its descriptors');
is(join(' ', grep { $_ > 6 } split /\n/, slurp_file("$dir/descriptors")), '', 'and no other (but that of the listing)');
unlink manifests($directory);

# processor time that is used up counts, however the program came by it
program_is("#!$^X\nour \$x;\nwhile ((times)[0] + (times)[1] < 1.5) { \$x++ for 1 .. 10000 }\nexec '$real', \@ARGV;\n");
ask_safe($session, 'SET mappedcoll.manifest_cpu_time = 1');
fails($session, "SELECT refresh_collection('coll')", '54000', qr/$named: .*(?:CPU time|processor time|signal 24)/,
	qr/manifest_cpu_time/, 'the CPU limit');
clean('the CPU limit');
ask_safe($session, 'RESET mappedcoll.manifest_cpu_time');

# memory: a limit of the whole process, below what it needs to begin
shell("ulimit -v 40000\nexec '$real' \"\$@\"");
ask_safe($session, "SET mappedcoll.manifest_memory = '64MB'");
($out, $messages) = ask($session, "SELECT refresh_collection('coll')");
ok($out eq '3' || $messages =~ /ERROR:  (?:53200|54000|XX001): $named: /, 'very little memory: it works, or an error that names the file')
  or diag "$out $messages";
shell("exec '$real' --build --matrix X --max-memory 1000000 --max-cpu-time 0 --max-file-size 0");
unlink manifests($directory);
($out, $messages) = ask($session, "SELECT refresh_collection('coll')");
like($messages, qr/^\S* ?ERROR:  \w{5}: $named: /m, 'no memory at all: an error that names the file');
clean('no memory');
ask_safe($session, 'RESET mappedcoll.manifest_memory');

# a manifest that may not become so large
shell("exec '$real' --build --matrix X --max-memory 0 --max-cpu-time 0 --max-file-size 20000");
fails($session, "SELECT refresh_collection('coll')", '54000', qr/$named: .*File too large/, qr/manifest_size/, 'the limit of a manifest\'s size');
clean('file size');
shell("ulimit -f 40\nexec '$real' \"\$@\"");
fails($session, "SELECT refresh_collection('coll')", '54000', qr/$named: .*File too large/, qr/manifest_size/, 'the same limit from outside');
clean('file size from outside');

# an error of writing is tried once more in memory, in case it is the disk
shell("test -e /proc/self/fd/4 && case \$(readlink /proc/self/fd/4) in *memfd*) exec '$real' \"\$@\";; esac\n"
	  . "printf 'error\\t6\\tcould not write the manifest: No space left on device\\t\\n' >&5; exit 1");
($out, $messages) = ask($session, "SELECT refresh_collection('coll')");
is($out, '3', 'a disk that is full: manifests are built in memory');
like($messages, qr/WARNING:  58030: could not write to manifest directory "\Q$directory\E": could not write the manifest: No space left on device/,
	'with a warning');
is(scalar(() = $messages =~ /WARNING/g), 1, 'once for three files');
$descriptors = open_descriptors();
is(ask_safe($session, "SELECT refresh_collection('coll')"), '3', 'and once a session');
clean('disk full');
is(ask_safe($session, $DRAW), $batch, 'the same batch, from memory');

# ------------------------------------------------------------ no protection

# a program that the kernel does not confine says so, and works
unlink manifests($directory);
shell("printf 'unfiltered\\tthis kernel has none\\n' >&5\nexec '$real' \"\$@\"");
my $seen = -s $node->logfile;
is(ask_safe($session, "SELECT refresh_collection('coll')"), '3', 'a kernel without system call filters: it works');
my @told = slurp_file($node->logfile, $seen) =~ /LOG: .*the manifest program has no system call filter\N*\n\N*DETAIL: +It says: this kernel has none\./g;
is(scalar(@told), 1, 'and the log says so, once a session');
unlink manifests($directory);

# --------------------------------------------------- cancelled, terminated

# Start a query in a session and wait for its stopped programs
sub stopped_programs
{
	my ($s, $sql) = @_;

	send_query($s, $sql);
	return @{ wait_until(sub {
		my @c = grep { / T$/ } children(backend_pid($s));
		return @c >= 2 ? \@c : undef;
	}, 'two stopped programs') };
}

sub pids
{
	return map { (split / /, $_)[0] } @_;
}

program_is(stopping_script($real));
my $fresh = open_session($node);
$pid = backend_pid($fresh);
$descriptors = open_descriptors();
my @programs = stopped_programs($fresh, $DRAW);
is(scalar(@programs), 2, 'as many programs as manifest_workers');
is(scalar(temporaries($directory)), 2, 'and temporary files');
$begin = time;
is($node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)"), 't', 'the query is cancelled');
($out, $messages) = finish($fresh);
cmp_ok(time - $begin, '<', 5, 'which ends at once, with its programs stopped');
like($messages, qr/ERROR:  57014: canceling statement due to user request/, 'with the error of a cancel');
clean('cancelled');
ok(gone($_), 'the program is gone') for pids(@programs);
is(ask_safe($fresh, 'SELECT pg_backend_pid()'), $pid, 'the backend is the same');

# the same in a transaction, with a savepoint
ask_safe($fresh, "BEGIN; SET LOCAL statement_timeout = '300ms'; SAVEPOINT s");
@programs = stopped_programs($fresh, $DRAW);
($out, $messages) = finish($fresh);
like($messages, qr/ERROR:  57014: canceling statement due to statement timeout/, 'statement_timeout while a program is stopped');
clean('statement_timeout');
ask_safe($fresh, 'ROLLBACK TO s; SET LOCAL statement_timeout = 0');
shell("exec '$real' \"\$@\"");
is(ask_safe($fresh, $DRAW), $batch, 'after ROLLBACK TO the query works');
$descriptors = open_descriptors();
ask_safe($fresh, 'COMMIT');
unlink manifests($directory);
program_is(stopping_script($real));

# an error is caught inside a function, and the programs are gone by then
ask_safe($fresh, q{
	CREATE FUNCTION tries() RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM refresh_collection('coll');
		RETURN 'no error';
	EXCEPTION WHEN data_corrupted THEN
		RETURN sqlerrm;
	END $$});
shell('exit 9');
like(ask_safe($fresh, 'SELECT tries()'), qr/exit code 9 without a result/, 'an error that is caught in PL/pgSQL');
clean('caught');
program_is(stopping_script($real));

# long work says how far it is
@programs = stopped_programs($fresh, "SELECT refresh_collection('coll')");
wait_until(sub { $fresh->{run}->pump_nb; $fresh->{stderr} =~ /NOTICE:  00000: built manifests of 0 of 3 files \(0%\)/ },
	'a notice of progress');
# the third one does not stop
shell("exec '$real' \"\$@\"");
kill 'CONT', pids(@programs);
($out, $messages) = finish($fresh);
is($out, '3', 'programs that were stopped for a while go on');
unlike($messages, qr/ERROR|WARNING/, 'with nothing but progress to report');
$descriptors = open_descriptors();
unlink manifests($directory);
program_is(stopping_script($real));

# killed while it is at work
@programs = stopped_programs($fresh, "SELECT refresh_collection('coll')");
kill 'KILL', (pids(@programs))[0];
($out, $messages) = finish($fresh);
like($messages, qr/ERROR:  XX001: $named: the manifest program was terminated by signal 9/, 'a program that is killed with -9');
clean('killed');

# terminated: by an administrator, by a fast shutdown, by the client's going away
@programs = stopped_programs($fresh, "SELECT refresh_collection('coll')");
is($node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)"), 't', 'the backend is terminated');
eval { $fresh->{run}->finish; };
wait_until(sub { gone($pid) }, 'the end of the backend');
ok(gone($_), 'its program is gone') for pids(@programs);
is(join(' ', temporaries($directory)), '', 'and its temporary files');

$fresh = open_session($node);
@programs = stopped_programs($fresh, "SELECT refresh_collection('coll')");
$begin = time;
$session->quit;
$node->stop('fast');
cmp_ok(time - $begin, '<', 30, 'a fast shutdown does not wait for stopped programs');
eval { $fresh->{run}->finish; };
ok(gone($_), 'a program is gone after a fast shutdown') for pids(@programs);
is(join(' ', temporaries($directory)), '', 'and its temporary file');

$node->start;
$fresh = open_session($node);
@programs = stopped_programs($fresh, "SELECT refresh_collection('coll')");
$node->stop('immediate');
eval { $fresh->{run}->finish; };
# the signal of that is waiting for them
kill 'CONT', pids(@programs);
for my $program_pid (pids(@programs))
{
	wait_until(sub { gone($program_pid) }, 'the end of a program after an immediate shutdown');
}
pass('no program outlives an immediate shutdown');
$node->start;
shell("exec '$real' \"\$@\"");
is($node->safe_psql('postgres', $DRAW), $batch, 'the same batch after all that');
is($node->safe_psql('postgres', $DIGEST), $digest, 'and the same rows');
is(scalar(manifests($directory)), 3, 'three manifests');
is(join(' ', temporaries($directory)), '', 'no temporary file');

# ------------------------------------------------------------ a file at work

# The file changes while its manifest is built
$session = open_session($node);
$pid = backend_pid($session);
unlink manifests($directory);
my $bytes = read_bytes($files[0]);
shell("case \$(stat -L -c %s /dev/fd/3) in " . (-s $files[0]) . ") printf x >>'$files[0]';; esac\nexec '$real' \"\$@\"");
fails($session, "SELECT refresh_collection('coll')", '55000', qr/file "\Q$files[0]\E" changed while its manifest was built/,
	qr/Try again/, 'a file that changes while its manifest is built');
is(join(' ', temporaries($directory)), '', 'no temporary file');
write_bytes($files[0], $bytes);
shell("exec '$real' \"\$@\"");
cmp_ok(ask_safe($session, "SELECT refresh_collection('coll')"), '>=', 1, 'and is complete the next time');
is(ask_safe($session, $DIGEST), $digest, 'with the same rows');

$session->quit;
$node->stop;
done_testing();
