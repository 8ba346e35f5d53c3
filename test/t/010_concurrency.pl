# Sessions that sample while others refresh, drop and make the collection anew get
# the rows or a clear error.  What would break: a collection freed while a scan of it
# runs, an invalidation that is missed, rows of two definitions in one answer.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use MappedcollTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $node = new_node('concurrency', conf => ['restart_after_crash = off']);
my $directory = $node->data_dir . '/mappedcoll';
my @files = copy_demo("$dir/files");
my $list = join ', ', map { "'$_'" } @files;
my $two = join ', ', map { "'$_'" } @files[ 0, 1 ];

# What each of the two definitions gives
my %answer;
for my $definition ($list, $two)
{
	$node->safe_psql('postgres', "SELECT create_collection('coll', ARRAY[$definition])");
	$answer{ $node->safe_psql('postgres', $DRAW) } = 1;
	$answer{ $node->safe_psql('postgres', "SELECT count(*), md5(string_agg(md5(x), ',' ORDER BY row_index)) FROM coll") } = 1;
	$answer{ $node->safe_psql('postgres', "SELECT sum(n_rows), count(*) FROM labels('coll', 'cell_type')") } = 1;
	$answer{ $node->safe_psql('postgres', "SELECT md5(string_agg(row_index::text, ',')) FROM (SELECT row_index FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE (5) LIMIT 300) s") } = 1;
	$node->safe_psql('postgres', 'DROP TABLE coll');
}
is(scalar(keys %answer), 8, 'two definitions, four questions, eight answers');
$node->safe_psql('postgres', "SELECT create_collection('coll', ARRAY[$list])");

# What a session may be told when the table goes away under it
my $allowed = qr/^(?:psql:\S+ )?ERROR:  42P01: relation (?:"coll"|with OID \d+) does not exist$/;

my $rounds = $ENV{MC_ROUNDS} // 12;

# Each session runs its script in one go; what it says is looked at afterwards
my @questions = (
	$DRAW,
	"SELECT count(*), md5(string_agg(md5(x), ',' ORDER BY row_index)) FROM coll",
	"SELECT sum(n_rows), count(*) FROM labels('coll', 'cell_type')",
	"SELECT md5(string_agg(row_index::text, ',')) FROM (SELECT row_index FROM coll TABLESAMPLE weighted('cell_type') REPEATABLE (5) LIMIT 300) s");
my @samplers = map { open_session($node) } 1 .. 4;
my $refresher = open_session($node);
my $maker = open_session($node);

send_query($samplers[$_], join ";\n", map { $questions[ ($_ + rand 4) % 4 ] } 1 .. 5 * $rounds) for 0 .. 3;
send_query($refresher, join ";\n", ("SELECT 'refreshed ' || refresh_collection('coll')") x (4 * $rounds));
send_query($maker, join ";\n", map {
	my $definition = $_ % 2 ? $two : $list;
	"BEGIN; DROP TABLE coll; SELECT 'made ' || create_collection('coll', ARRAY[$definition]); COMMIT; SELECT pg_sleep(0.01)"
} 1 .. $rounds);

# Manifests disappear as well
for (1 .. $rounds)
{
	unlink manifests($directory);
	select undef, undef, undef, 0.02;
}

my ($answers, $errors) = (0, 0);
for my $session (@samplers, $refresher, $maker)
{
	my ($out, $messages) = finish($session);

	for my $line (grep { $_ ne '' } split /\n/, $out)
	{
		next if $line =~ /^(?:refreshed [0-3]|made coll)$/;
		$answers++;
		next if exists $answer{$line};
		fail('an answer of one of the two definitions');
		diag($line);
	}
	for my $line (grep { /ERROR|FATAL|PANIC|WARNING/ } split /\n/, $messages)
	{
		$errors++;
		next if $line =~ $allowed;
		fail('an error that may happen');
		diag($line);
	}
	is(ask_safe($session, 'SELECT pg_backend_pid()'), backend_pid($session), 'the session is still there');
}
note "$answers answers, $errors errors";
cmp_ok($answers, '>', 0, 'there were answers');
is($answers + $errors >= 4 * 5 * $rounds ? 1 : 0, 1, 'one for each question, or an error');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP:|server process \(PID \d+\) was terminated by signal/, 'no process crashed');

# Afterwards all sessions agree
$node->safe_psql('postgres', 'DROP TABLE coll');
$node->safe_psql('postgres', "SELECT create_collection('coll', ARRAY[$list])");
my $batch = $node->safe_psql('postgres', $DRAW);
ok(exists $answer{$batch}, 'the batch of a new session is one of those');
is(ask_safe($_, $DRAW), $batch, 'a session that went through all that has it too') for @samplers, $refresher, $maker;

# ------------------------------------------- in the middle of one statement

# A function that drops the collection which the statement reads is refused by
# PostgreSQL; one that refreshes it is not, and the scan goes on
my $session = $samplers[0];
my $rows = ask_safe($session, 'SELECT count(md5(x)), sum(row_index) FROM coll');
is(ask_safe($session,
	"SELECT count(md5(x)), sum(row_index) FROM coll WHERE CASE WHEN row_index % 400 = 0 THEN refresh_collection('coll') = 0 ELSE true END"),
	$rows, 'a statement that refreshes the collection it reads');
is(ask_safe($session,
	"SELECT count(x), sum(r) FROM (SELECT row_index AS r, x, CASE WHEN row_index % 400 = 0 THEN refresh_collection('coll') END FROM coll OFFSET 0) s"),
	$rows, 'and in its output');
my ($out, $messages) = ask($session,
	"CREATE FUNCTION drops() RETURNS boolean LANGUAGE plpgsql AS 'BEGIN DROP TABLE coll; RETURN true; END'; SELECT count(*) FROM coll WHERE drops()");
like($messages, qr/ERROR:  55006: cannot DROP TABLE "coll.*" because it is being used by active queries in this session/,
	'a statement that drops it is refused');
is(ask_safe($session, $DRAW), $batch, 'and all is as before');

# What a transaction has sampled from is not dropped or altered until its end
my $other = $samplers[1];
ask_safe($other, "SET lock_timeout = '100ms'");
for my $sql ($DRAW, "SELECT count(*) FROM labels('coll', 'cell_type')", "SELECT count(*) FROM collection_files('coll')",
	"SELECT count(row_index) FROM coll TABLESAMPLE weighted('cell_type')")
{
	ask_safe($session, 'BEGIN');
	ask_safe($session, $sql);
	fails($other, 'DROP TABLE coll', '55P03', qr/canceling statement due to lock timeout/, undef, "a transaction holds what it read: $sql");
	is(ask_safe($other, $DRAW), $batch, 'which others may read');
	ask_safe($session, 'COMMIT');
}
ask_safe($other, 'RESET lock_timeout');

# Two samplers of one collection in one statement, at different places
is(ask_safe($session, "SELECT count(*) FROM sample_batch('coll', 100, 'cell_type', seed => 1) a JOIN sample_batch('coll', 100, 'cell_type', seed => 1) b USING (row_index) WHERE a.x = b.x AND a.label = b.label"),
	ask_safe($session, "SELECT sum(n * n) FROM (SELECT count(*) AS n FROM sample_batch('coll', 100, 'cell_type', seed => 1) GROUP BY row_index) s"),
	'two of the same sampling in one statement');

# A cursor of a dropped and rolled back collection
ask_safe($session, 'BEGIN; SAVEPOINT s; DROP TABLE coll; ROLLBACK TO s');
is(ask_safe($session, $DRAW), $batch, 'DROP TABLE taken back');
ask_safe($session, 'COMMIT');
ask_safe($session, "BEGIN; ALTER TABLE coll RENAME COLUMN cell_type TO kind");
($out, $messages) = ask($session, $DRAW);
like($messages, qr/ERROR:  42703: .*cell_type/, 'a renamed column is looked for by its name');
ask_safe($session, 'ROLLBACK');
is(ask_safe($session, $DRAW), $batch, 'the old name again after ROLLBACK');

$_->quit for @samplers, $refresher, $maker;
$node->stop;
done_testing();
