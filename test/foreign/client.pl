# The statements of standard input, one a line, by DBI and DBD::Pg: the rows of
# each, values separated by tabs, after a line "> NUMBER".  A statement after a
# tab has parameters, one after the other, behind it; it is prepared on the
# server, and runs twice.
use strict;
use warnings;

use DBI;
use DBD::Pg;

my $dbh = DBI->connect('dbi:Pg:', '', '', { RaiseError => 1, PrintError => 0 });

sub rows
{
	my ($sth) = @_;
	my $rows = '';

	while (my $row = $sth->fetchrow_arrayref)
	{
		$rows .= join("\t", map { !defined $_ ? '\N' : ref $_ ? '{' . join(',', @$_) . '}' : $_ } @$row) . "\n";
	}
	return $rows;
}

my $n = 0;
while (my $line = <STDIN>)
{
	chomp $line;
	my ($statement, @parameters) = split /\t/, $line;
	my $sth = $dbh->prepare($statement, { pg_server_prepare => 1, pg_switch_prepared => 1 });
	my @found = map { $sth->execute(@parameters); rows($sth) } 1 .. 2;
	die "two runs of $statement differ" if $found[0] ne $found[1];
	print '> ', $n++, "\n", $found[0];
}

# a cursor, as DBD::Pg's documentation has it for large results
$dbh->begin_work;
$dbh->do('DECLARE c CURSOR FOR SELECT row_index FROM coll');
my ($fetched, $sum) = (0, 0);
while (my $rows = $dbh->selectcol_arrayref('FETCH 500 FROM c'))
{
	last if !@$rows;
	$fetched += @$rows;
	$sum += $_ for @$rows;
}
print "> cursor\n$fetched\t$sum\n";
$dbh->commit;
$dbh->disconnect;
print "> version\nDBD::Pg $DBD::Pg::VERSION\n";
