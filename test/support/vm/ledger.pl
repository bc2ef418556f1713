# Keeps one store's books of the bank on a disk. Lines that come, and what is answered:
#   open ACCOUNTS BALANCE WORKERS          opened
#   write WORKER NUMBER ACCOUNT AMOUNT SEEN   written WORKER NUMBER, once it is on the disk; or refused WORKER NUMBER
#   read                                   books JSON, as the disk has it
# The books lie in two slots of the disk, written in turn, each sector with the number of the writing, so that at every
# instant one slot is whole, and anybody who reads the disk can tell which (ledger-disk.ts does).
use strict;
use warnings;

use constant { SLOT_SECTORS => 64, SECTOR_BYTES => 512, PAYLOAD_BYTES => 500 };
# O_RDWR and O_SYNC of Linux: a write is on the disk when it returns.
use constant READ_AND_WRITE_THROUGH => 2 | 04010000;

my ($disk_path, $line_path) = @ARGV;
sysopen(my $disk, $disk_path, READ_AND_WRITE_THROUGH) or die "$disk_path: $!";
open(my $line, '+<:raw', $line_path) or die "$line_path: $!";

my $writing = 0;
my (@balances, @numbers, @seen);

# What the disk has, of a guest that was started anew.
sub load {
  for my $slot (0, 1) {
    my ($text, $of, $count) = ('', 0, 1);
    sysseek($disk, $slot * SLOT_SECTORS * SECTOR_BYTES, 0);
    for (my $at = 0; $at < $count; $at += 1) {
      sysread($disk, my $sector, SECTOR_BYTES) == SECTOR_BYTES or die "the disk ends";
      last unless $sector =~ /^(\d{8})(\d{3})(.*)\n/s;
      ($of, $count) = ($1, $2) if $at == 0;
      $text = '', last if $1 != $of;
      $text .= $3;
    }
    next if $of <= $writing || $text !~ /^\{"balances":\[([^\]]*)\],"workers":\[(.*)\]\} *$/;
    ($writing, @balances) = ($of, split /,/, $1);
    (@numbers, @seen) = ();
    for (split /(?<=\}),/, $2) {
      /^\{"number":(\d+),"seen":(.*)\}$/ or die "a worker's entry is damaged";
      push @numbers, $1;
      push @seen, $2;
    }
  }
}

sub books {
  my $workers = join ',', map { qq({"number":$numbers[$_],"seen":$seen[$_]}) } 0 .. $#numbers;
  return '{"balances":[' . join(',', @balances) . qq(],"workers":[$workers]});
}

sub save {
  $writing += 1;
  my @parts = unpack '(a' . PAYLOAD_BYTES . ')*', books();
  die 'the books are too long' if @parts > SLOT_SECTORS;
  my $sectors = join '', map { sprintf("%08d%03d%-500s\n", $writing, scalar @parts, $_) } @parts;
  sysseek($disk, ($writing % 2) * SLOT_SECTORS * SECTOR_BYTES, 0);
  my $written = syswrite($disk, $sectors);
  die "the disk: $!" unless defined $written && $written == length $sectors;
}

# One line; whether the books have changed, and the answer, which is told when they are on the disk.
sub take {
  my ($what, @values) = split ' ', shift;
  if ($what eq 'open') {
    my ($accounts, $balance, $workers) = @values;
    @balances = ($balance) x $accounts;
    @numbers = (0) x $workers;
    @seen = ('[]') x $workers;
    return (1, 'opened');
  }
  return (0, 'books ' . books()) if $what eq 'read';
  my ($worker, $number, $account, $amount, $seen) = @values;
  return (0, "refused $worker $number") if $number != $numbers[$worker] + 1;
  $balances[$account] += $amount;
  ($numbers[$worker], $seen[$worker]) = ($number, $seen);
  return (1, "written $worker $number");
}

load();
print "LEDGER $writing\n";
my $rest = '';
# All that has come is written at once: the disk is slower than the line.
while (sysread($line, $rest, 65536, length $rest)) {
  my (@answers, $changed);
  while ($rest =~ s/^([^\n]*)\n//) {
    my ($changes, $answer) = take($1);
    $changed ||= $changes;
    push @answers, $answer;
  }
  save() if $changed;
  syswrite($line, join '', map { "$_\n" } @answers) if @answers;
}
