# SPDX-License-Identifier: MIT
# GET by IO::Socket::INET and sysread: http_perl.pl HOST PORT PATH. Prints the body, or why there is none.
use strict;
use warnings;
use IO::Socket::INET;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

my ($host, $port, $path) = @ARGV;
my $start = clock_gettime(CLOCK_MONOTONIC);

sub finish {
    my ($status) = @_;
    printf STDERR "elapsed=%.6f\n", clock_gettime(CLOCK_MONOTONIC) - $start;
    exit $status;
}

sub fail {
    my ($step) = @_;
    print STDERR "failed: $step: $!\n";
    finish(1);
}

my $socket = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port, Proto => "tcp") or fail("connect");
defined syswrite($socket, "GET $path HTTP/1.0\r\nHost: $host\r\n\r\n") or fail("write");
my $answer = "";
while (1) {
    my $got = sysread($socket, $answer, 65536, length $answer);
    defined $got or fail("read");
    last if $got == 0;
}
my ($head, $body) = split /\r\n\r\n/, $answer, 2;
my ($length) = ($head // "") =~ /Content-Length: (\d+)/i;
if (!defined $length || length($body) != $length) {
    print STDERR "failed: short answer\n";
    finish(1);
}
print $body;
finish(0);
