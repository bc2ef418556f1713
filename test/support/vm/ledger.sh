# The program of a guest that keeps a ledger on its disk, for whoever writes to its second serial port.
stty -F /dev/ttyS1 raw -echo
exec perl /opt/ledger/ledger.pl /dev/vda /dev/ttyS1 > /dev/ttyS0 2>&1
