# Texts of h5ad files are UTF-8; a database may be in another encoding.  What would
# break: bytes of the file handed out as they are, labels that meet after a lossy
# conversion, a column name or gene that cannot be named.
use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use MappedcollTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('encodings', init => { extra => [ '--encoding=UTF8', '--locale=C' ] });
my $dir = PostgreSQL::Test::Utils::tempdir;
my ($file) = copy_demo("$dir/files");

# Two texts that LATIN1 has and one that it has not, in place of ASCII of the same
# length in the file (its strings lie there as they are)
my $fits = "$dir/files/latin.h5ad";
my $greek = "$dir/files/greek.h5ad";
system_or_bail('cp', $file, $_) for $fits, $greek;
replace_text($_, 'plasma cell', "plasm\xc3\xa9 c\xc3\xbc") for $fits, $greek;
replace_text($_, 'B cell', "\xc2\xb5 cel") for $fits, $greek;
replace_text($greek, 'megakaryocyte', "mega\xce\xbaaryocyt");
# a name of a column
replace_text($_, 'percent_mito', "percent_m\xc3\xact") for $fits;

for my $database ([ utf8 => 'UTF8' ], [ latin1 => 'LATIN1' ], [ ascii => 'SQL_ASCII' ], [ latin9 => 'LATIN9' ])
{
	$node->safe_psql('postgres',
		"CREATE DATABASE $database->[0] ENCODING '$database->[1]' LOCALE 'C' TEMPLATE template0");
	$node->safe_psql($database->[0], "CREATE EXTENSION mappedcoll");
	$node->safe_psql($database->[0], "SELECT create_collection('fits', ARRAY['$fits'])");
}

# Text as bytes of UTF-8, whatever the encoding of the database or the client
my %utf8 = (utf8 => "convert_to(%s, 'UTF8')", latin1 => "convert_to(%s, 'UTF8')", latin9 => "convert_to(%s, 'UTF8')", ascii => '%s::bytea');

sub utf8
{
	my ($database, $expression) = @_;

	return 'encode(' . sprintf($utf8{$database}, $expression) . ", 'hex')";
}

my $plasma = unpack 'H*', "plasm\xc3\xa9 c\xc3\xbc";
my $mu = unpack 'H*', "\xc2\xb5 cel";
my $expected;
for my $database (qw(utf8 latin1 latin9 ascii))
{
	my $labels = $node->safe_psql($database,
		'SELECT string_agg(' . utf8($database, 'label') . " || ' ' || n_rows, ',' ORDER BY code) FROM labels('fits', 'cell_type')");
	$expected //= $labels;
	is($labels, $expected, "$database: the same labels, in the same order");
	like($labels, qr/\Q$plasma\E \d+/, "$database: with those that are not ASCII");
	is($node->safe_psql($database, "SELECT count(*) FROM fits WHERE " . utf8($database, 'cell_type') . " = '$mu'"),
		$node->safe_psql('utf8', "SELECT n_rows FROM labels('fits', 'cell_type') WHERE " . utf8('utf8', 'label') . " = '$mu'"),
		"$database: rows of a label");
	is($node->safe_psql($database, "SELECT count(*), md5(string_agg(row_index || ' ' || " . utf8($database, 'label') . ", ',')) FROM sample_batch('fits', 100, 'cell_type', seed => 3)"),
		$node->safe_psql('utf8', "SELECT count(*), md5(string_agg(row_index || ' ' || " . utf8('utf8', 'label') . ", ',')) FROM sample_batch('fits', 100, 'cell_type', seed => 3)"),
		"$database: the same batch");
	is($node->safe_psql($database, "SELECT count(*) FROM fits TABLESAMPLE weighted('cell_type') REPEATABLE (3) WHERE " . utf8($database, 'cell_type') . " IN ('$mu', '$plasma')"),
		$node->safe_psql('utf8', "SELECT count(*) FROM fits TABLESAMPLE weighted('cell_type') REPEATABLE (3) WHERE " . utf8('utf8', 'cell_type') . " IN ('$mu', '$plasma')"),
		"$database: the same TABLESAMPLE");
	is($node->safe_psql($database, 'SELECT ' . utf8($database, 'attname::text') . " FROM pg_attribute WHERE attrelid = 'fits'::regclass AND attname ~ '^percent'"),
		unpack('H*', "percent_m\xc3\xact"), "$database: the name of a column");
	# and by that name, as the client's encoding writes it
	my $name = "percent_m\xc3\xact";
	my $client = $database eq 'ascii' ? '' : "SET client_encoding = 'UTF8'; ";
	is($node->safe_psql($database, "${client}SELECT count(*), round(sum(\"$name\")) FROM fits"),
		$node->safe_psql('utf8', "SET client_encoding = 'UTF8'; SELECT count(*), round(sum(\"$name\")) FROM fits"), "$database: a column by its name");
	cmp_ok($node->safe_psql($database, "${client}SELECT count(*) FROM labels('fits', '$name')"), '>', 10,
		"$database: labels by its name");
}

# A text that the encoding has not is an error which says so, or is not read
$node->safe_psql($_, "SELECT create_collection('greek', ARRAY['$greek'])") for qw(utf8 latin1 ascii);
my $session = open_session($node, database => 'latin1');
for my $sql (
	"SELECT count(lower(cell_type)) FROM greek",
	"SELECT * FROM labels('greek', 'cell_type')",
	"SELECT count(label) FROM sample_batch('greek', 2000, 'cell_type', seed => 1)")
{
	fails($session, $sql, '22P05',
		qr/character with byte sequence 0xce 0xba in encoding "UTF8" has no equivalent in encoding "LATIN1"/, undef, "LATIN1: $sql");
}
is(ask_safe($session, 'SELECT count(donor_id), count(*) FROM greek'), '1500|1500', 'LATIN1: other columns are read');
is(ask_safe($session, "SELECT count(*) FROM sample_batch('greek', 100, 'donor_id', seed => 1)"), '100', 'and sampled by');
is($node->safe_psql('ascii', "SELECT count(*) FROM labels('greek', 'cell_type') WHERE label::bytea = '\\x" . unpack('H*', "mega\xce\xbaaryocyt") . "'"),
	'1', 'SQL_ASCII: the bytes as they are');
is($node->safe_psql('utf8', "SELECT count(DISTINCT cell_type) FROM greek"), '11', 'UTF8: all of them');

# The error says what cannot be shown: a value, a label, the name of a cell, of a
# gene, of a column; the rest can be read
my %odd = map { $_ => "$dir/files/$_.h5ad" } qw(gene cell column);
my $cell = $node->safe_psql('utf8', 'SELECT obs_name FROM greek WHERE row_index = 3');
system_or_bail('cp', $file, $_) for values %odd;
replace_text($odd{gene}, 'MS4A1', "MS\xce\xb11");
replace_text($odd{cell}, $cell, "\xce\xb1" . substr($cell, 2));
replace_text($odd{column}, 'percent_mito', "percent_m\xce\xbct");
ask_safe($session, "SELECT create_collection('$_', ARRAY['$odd{$_}'])") for qw(gene cell);
for my $case (
	[ 'SELECT count(lower(cell_type)) FROM greek', qr/^CONTEXT:  column "cell_type", file ".*greek\.h5ad"/m ],
	[ "SELECT * FROM labels('greek', 'cell_type')", qr/^CONTEXT:  label \d+$/m ],
	[ "SELECT count(label) FROM sample_batch('greek', 2000, 'cell_type', seed => 1)", qr/^CONTEXT:  label \d+$/m ],
	[ 'SELECT max(obs_name) FROM cell', qr/^CONTEXT:  obs_names of file ".*cell\.h5ad"/m ],
	[ "SELECT count(*) FROM collection_vars('gene')", qr/^CONTEXT:  name of gene \d+$/m ],
	[ "SELECT create_collection('column', ARRAY['$odd{column}'])", qr/^CONTEXT:  name of obs column \d+ of file ".*column\.h5ad"/m ])
{
	my ($out, $messages) = ask($session, $case->[0]);

	like($messages, qr/ERROR:  22P05: /, "LATIN1: $case->[0]");
	like($messages, $case->[1], 'and what it is about');
}
is(ask_safe($session, 'SELECT count(x), count(DISTINCT cell_type) FROM gene'), '1500|11', 'LATIN1: rows beside a gene whose name it has not');
is(ask_safe($session, "SELECT n_measured, length(mask) FROM measured_genes('gene')"), '1500|188', 'and which genes there are');
is(ask_safe($session, 'SELECT count(x) FROM cell'), '1500', 'rows beside such a name of a cell');
fails($session, "SELECT create_collection('no', ARRAY['$odd{gene}'], genes => '{MS412}')", '42704',
	qr/gene "MS412" is not in the collection/, undef, 'a gene that is not there, close to one that cannot be shown');

# An encoding of several bytes a character, which has some texts and not others
my $kanji = "$dir/files/kanji.h5ad";
my $emoji = "$dir/files/emoji.h5ad";
system_or_bail('cp', $file, $_) for $kanji, $emoji;
replace_text($_, 'B cell', "\xe6\x97\xa5\xe6\x9c\xac") for $kanji, $emoji;
replace_text($_, 'MS4A1', "\xce\xb1-\xce\xb2") for $kanji, $emoji;
replace_text($_, 'percent_mito', "percent_\xe3\x82\xab-") for $kanji, $emoji;
replace_text($emoji, 'plasma cell', "\xf0\x9f\xa7\xacma cell");
$node->safe_psql('postgres', "CREATE DATABASE euc_jp ENCODING 'EUC_JP' LOCALE 'C' TEMPLATE template0");
$node->safe_psql('euc_jp', 'CREATE EXTENSION mappedcoll');
$utf8{euc_jp} = $utf8{utf8};
for my $database (qw(utf8 euc_jp))
{
	my $genes = "SELECT md5(string_agg(%s, ',' ORDER BY var_index)) FROM collection_vars('kanji')";
	my $client = "SET client_encoding = 'UTF8'; ";

	$node->safe_psql($database, "SELECT create_collection('kanji', ARRAY['$kanji'])");
	$node->safe_psql($database, "SELECT create_collection('emoji', ARRAY['$emoji'])");
	is($node->safe_psql($database, "SELECT n_rows FROM labels('kanji', 'cell_type') WHERE " . utf8($database, 'label') . " = 'e697a5e69cac'"),
		$node->safe_psql('utf8', "SELECT n_rows FROM labels('fits', 'cell_type') WHERE " . utf8('utf8', 'label') . " = '$mu'"),
		"$database: a label");
	is($node->safe_psql($database, sprintf($genes, utf8($database, 'var_name'))),
		$node->safe_psql('utf8', sprintf($genes, utf8('utf8', 'var_name'))), "$database: names of genes");
	is($node->safe_psql($database, qq{${client}SELECT count("percent_\xe3\x82\xab-") FROM kanji}), '1500', "$database: a column by its name");
	is($node->safe_psql($database, "${client}SELECT count(*) FROM sample_batch('kanji', 100, 'cell_type', "
			. "filter => \$\$cell_type = '\xe6\x97\xa5\xe6\x9c\xac'\$\$)"), '100', "$database: a filter with such a text");
}
my $japanese = open_session($node, database => 'euc_jp');
fails($japanese, 'SELECT count(lower(cell_type)) FROM emoji', '22P05', qr/has no equivalent in encoding "EUC_JP"/, undef, 'EUC_JP: a text that it has not');
is(ask_safe($japanese, 'SELECT count(donor_id) FROM emoji'), '1500', 'EUC_JP: other columns are read');
$japanese->quit;

# What is no UTF-8 at all becomes U+FFFD, so that no database gets an invalid text
my $invalid = "$dir/files/invalid.h5ad";
my $replaced = unpack 'H*', "B\xef\xbf\xbd\xef\xbf\xbdcel";
system_or_bail('cp', $file, $invalid);
replace_text($invalid, 'B cell', "B\xff\xfecel");
$node->safe_psql($_, "SELECT create_collection('invalid', ARRAY['$invalid'])") for qw(utf8 latin1 ascii);
for my $database (qw(utf8 ascii))
{
	is($node->safe_psql($database, 'SELECT n_rows FROM labels(\'invalid\', \'cell_type\') WHERE ' . utf8($database, 'label') . " = '$replaced'"),
		$node->safe_psql('utf8', "SELECT n_rows FROM labels('fits', 'cell_type') WHERE " . utf8('utf8', 'label') . " = '$mu'"),
		"$database: invalid UTF-8 is replaced");
}
is($node->safe_psql('utf8', "SELECT count(convert_to(cell_type, 'UTF8')) FROM invalid WHERE cell_type IS NOT NULL"),
	$node->safe_psql('utf8', 'SELECT count(cell_type) FROM fits'), 'utf8: all texts are valid');
fails($session, 'SELECT count(lower(cell_type)) FROM invalid', '22P05', qr/0xef 0xbf 0xbd in encoding "UTF8" has no equivalent in encoding "LATIN1"/,
	undef, 'latin1: which has no such character');
is(ask_safe($session, 'SELECT count(donor_id) FROM invalid'), '1500', 'latin1: other columns are read');

# A path that is not ASCII, in a database of each encoding
my $path = "$dir/files/\xc3\xa9t\xc3\xa9.h5ad";
system_or_bail('cp', $file, $path);
for my $database (qw(utf8 ascii))
{
	$node->safe_psql($database, "SELECT create_collection('path', ARRAY['$path'])");
	is($node->safe_psql($database, "SELECT count(*) FROM path"), '1500', "$database: a path that is not ASCII");
}

$session->quit;
$node->stop;
done_testing();
