/** What the program ends with where it cannot ask this kernel; why is on its stderr. */
export const UNSUPPORTED_STATUS = 3;

/** A line of a look: the file's place in the list, and its spans in memory, or `?`. Files without any have none. */
export const LOOK = /^(\d+) (.+)$/;

/**
 * Perl without modules, as Debian's perl-base has none to spare: `perl -e … look|read|drop SECONDS`, with pairs of a path and
 * spans (`0-4096 8192-12288`) on stdin, each ended by NUL.
 *
 * `look` is mincore(2) on a mapping that is never touched, a gigabyte at a time: its lowest bit says that the page is in memory.
 * To whoever neither owns a file nor may write it the kernel says that all of it is (Linux 5.2 and newer), so that is not
 * asked. `read` turns read-ahead off (POSIX_FADV_RANDOM, 1), as it would bring in what was not hot; `drop` is POSIX_FADV_DONTNEED (4).
 * Calls by number are those of the kernel's tables: x86_64 has its own, arm64, riscv64 and loongarch64 share the generic one.
 * The size of a page is in the vector that the kernel hands to a program (AT_PAGESZ, 6).
 */
export const PAGE_CACHE_PROGRAM = String.raw`
use strict; use Config;
my ($mode, $seconds) = @ARGV;
my $until = time + $seconds;
my ($mmap, $munmap, $mincore, $fadvise) =
  $Config{archname} =~ /^x86_64/ && $Config{ptrsize} == 8 ? (9, 11, 27, 221) :
  $Config{archname} =~ /^(aarch64|arm64|riscv64|loongarch64)/ ? (222, 215, 232, 223) :
  refuse("its Perl is built for $Config{archname}");
open(my $auxv, '<:raw', '/proc/self/auxv') or refuse('/proc is missing');
my %auxv = unpack('Q*', do { local $/; <$auxv> });
my $page = $auxv{6} or refuse('the size of its pages is not known');
my $window = 1 << 30;
local $/ = "\0";
binmode STDIN; $| = 0;
for (my $index = 0; defined(my $path = <STDIN>); $index++) {
  my $spans = <STDIN>;
  chomp($path, $spans);
  if (time > $until) { exit 0 if $mode ne 'look'; refuse('it takes too long') }
  # Without waiting, should a FIFO stand there by now.
  my $opened = sysopen(my $file, $path, 04000);
  $opened = 0 if $opened && !-f $file;
  if ($mode eq 'look') { my $seen = $opened ? look($file) : '?'; print "$index $seen\n" if $seen ne '' }
  elsif ($opened) { $mode eq 'read' ? bring($file, $spans) : forget($file, $spans) }
}
sub refuse { print STDERR "$_[0]\n"; exit ${UNSUPPORTED_STATUS} }
sub look {
  my $file = shift;
  my ($size, $owner) = (stat $file)[7, 4];
  return '?' unless $size == 0 || $> == 0 || $owner == $> || -w $file;
  my @found;
  for (my $at = 0; $at < $size; $at += $window) {
    my $length = $size - $at < $window ? $size - $at : $window;
    my $where = syscall($mmap, 0, $length, 1, 1, fileno $file, $at);
    return '?' if $where == -1;
    my $pages = "\0" x int(($length + $page - 1) / $page);
    my $failed = syscall($mincore, $where, $length, $pages);
    syscall($munmap, $where, $length);
    return '?' if $failed;
    while ($pages =~ /[^\0]+/g) {
      my ($from, $to) = ($at + $-[0] * $page, $at + $+[0] * $page);
      $to = $size if $to > $size;
      if (@found && $found[-1][1] == $from) { $found[-1][1] = $to } else { push @found, [$from, $to] }
    }
  }
  return join(' ', map { "$_->[0]-$_->[1]" } @found);
}
sub bring {
  my ($file, $spans) = @_;
  syscall($fadvise, fileno $file, 0, 0, 1);
  for (split / /, $spans) {
    my ($at, $to) = split /-/;
    sysseek($file, $at, 0) or next;
    while ($at < $to && time <= $until) {
      my $got = sysread($file, my $bytes, $to - $at < 1 << 20 ? $to - $at : 1 << 20);
      last unless $got;
      $at += $got;
    }
  }
}
sub forget {
  my ($file, $spans) = @_;
  for (split / /, $spans) {
    my ($at, $to) = split /-/;
    syscall($fadvise, fileno $file, $at, $to - $at, 4);
  }
}
`;
