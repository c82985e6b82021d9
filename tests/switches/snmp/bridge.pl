# A switch's tables inside net-snmp's agent, loaded by `perl do "…"` in snmpd.conf.
#
# It shares no line with the lab's agent: a second opinion on what the driver sends. Eight ports; VLANs are rows that can
# be made; a message of sets is tried in the reserve phase on the tables themselves, and undone as a whole if one fails.
use strict;
use NetSNMP::agent qw(:all);
use NetSNMP::ASN qw(:all);
use NetSNMP::OID;
use NetSNMP::default_store qw(:all);

# Octets as hexadecimal digits: what the agent would guess to be text is ambiguous.
netsnmp_ds_set_int(NETSNMP_DS_LIBRARY_ID, NETSNMP_DS_LIB_STRING_OUTPUT_FORMAT, 3);

our $PORTS = 8;
our $BRIDGE = "1.3.6.1.2.1.17";
our $ROWS = "$BRIDGE.7.1.4.3.1";
our $PORT = "$BRIDGE.7.1.4.5.1";
our $IF = "1.3.6.1.2.1.2.2.1";
our %vlans = (1 => {2 => "\xff", 4 => "\xff"});
our (%pvid, %frames, %ingress, %admin);
for (1 .. $PORTS) { ($pvid{$_}, $frames{$_}, $ingress{$_}, $admin{$_}) = (1, 1, 2, 1) }
our $before;

sub objects {
    my %found;
    for my $port (1 .. $PORTS) {
        $found{"$BRIDGE.1.4.1.2.$port"} = [ASN_INTEGER, $port];
        $found{"$PORT.1.$port"} = [ASN_UNSIGNED, $pvid{$port}];
        $found{"$PORT.2.$port"} = [ASN_INTEGER, $frames{$port}];
        $found{"$PORT.3.$port"} = [ASN_INTEGER, $ingress{$port}];
        $found{"$IF.2.$port"} = [ASN_OCTET_STR, "gi1/0/$port"];
        $found{"$IF.3.$port"} = [ASN_INTEGER, 6];
        $found{"$IF.7.$port"} = [ASN_INTEGER, $admin{$port}];
    }
    for my $vlan (keys %vlans) {
        $found{"$ROWS.$_.$vlan"} = [ASN_OCTET_STR, $vlans{$vlan}{$_}] for (2, 4);
        $found{"$ROWS.5.$vlan"} = [ASN_INTEGER, 1];
    }
    return \%found;
}

sub compare {
    my @one = split /\./, $_[0];
    my @two = split /\./, $_[1];
    while (@one && @two) { my $order = shift(@one) <=> shift(@two); return $order if $order }
    return @one <=> @two;
}

sub keep { return [{map { $_ => {%{$vlans{$_}}} } keys %vlans}, {%pvid}, {%frames}, {%ingress}, {%admin}] }

sub restore {
    my $kept = shift;
    %vlans = %{$kept->[0]}; %pvid = %{$kept->[1]}; %frames = %{$kept->[2]}; %ingress = %{$kept->[3]}; %admin = %{$kept->[4]};
}

sub change {
    my ($oid, $value) = @_;
    if ($oid =~ /^\Q$ROWS\E\.5\.(\d+)$/) {
        return SNMP_ERR_INCONSISTENTVALUE if $value != 4 || $vlans{$1} || $1 < 1 || $1 > 4094;
        $vlans{$1} = {2 => "\0", 4 => "\0"};
        return 0;
    }
    if ($oid =~ /^\Q$ROWS\E\.([24])\.(\d+)$/) {
        my ($column, $vlan) = ($1, $2);
        return SNMP_ERR_NOCREATION unless $vlans{$vlan};
        return SNMP_ERR_WRONGLENGTH if length($value) != 1;
        return SNMP_ERR_INCONSISTENTVALUE if $column == 4 && ($value & ~$vlans{$vlan}{2}) ne "\0";
        $vlans{$vlan}{$column} = $value;
        $vlans{$vlan}{4} &= $value if $column == 2;
        return 0;
    }
    if ($oid =~ /^\Q$PORT\E\.([123])\.(\d+)$/ && $pvid{$2}) {
        return SNMP_ERR_INCONSISTENTVALUE if $1 == 1 && !$vlans{$value};
        my $table = (\%pvid, \%frames, \%ingress)[$1 - 1];
        $table->{$2} = $value;
        return 0;
    }
    if ($oid =~ /^\Q$IF\E\.7\.(\d+)$/ && $admin{$1}) {
        return SNMP_ERR_WRONGVALUE if $value < 1 || $value > 3;
        $admin{$1} = $value;
        return 0;
    }
    return SNMP_ERR_NOTWRITABLE;
}

sub value_of {
    my $request = shift;
    my $value = $request->getValue();
    return $value if $request->getType() != ASN_OCTET_STR;
    $value =~ s/[^0-9A-Fa-f]//g;
    return pack("H*", $value);
}

sub handler {
    my ($handler, $registration, $agent, $requests) = @_;
    my $mode = $agent->getMode();
    $before //= keep() if $mode == MODE_SET_RESERVE1;
    for (my $request = $requests; $request; $request = $request->next()) {
        my $oid = join ".", $request->getOID()->to_array();
        if ($mode == MODE_GET) {
            my $found = objects()->{$oid};
            $request->setValue(@$found) if $found;
        }
        elsif ($mode == MODE_GETNEXT) {
            my $found = objects();
            my ($next) = grep { compare($_, $oid) > 0 } sort { compare($a, $b) } keys %$found;
            next unless defined $next;
            $request->setOID(new NetSNMP::OID(".$next"));
            $request->setValue(@{$found->{$next}});
        }
        elsif ($mode == MODE_SET_RESERVE2) {
            my $error = change($oid, value_of($request));
            $request->setError($registration, $error) if $error;
        }
    }
    undef $before if $mode == MODE_SET_COMMIT;
    if ($mode == MODE_SET_FREE || $mode == MODE_SET_UNDO) { restore($before) if $before; undef $before }
}

{
    no strict 'vars';
    $agent->register("switch$_", ".$_", \&handler) for ($BRIDGE, $IF);
}
