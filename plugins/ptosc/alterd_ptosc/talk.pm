package pt_online_schema_change_plugin;

# What pt-online-schema-change loads with --plugin: it asks the run that started it, and does nothing without a "go".
#
# The run listens at a socket in the folder that the tool works in. One line is asked, one is answered:
#
#   renames HEX=HEX …   the columns that the tool takes for renamed     go | no REASON
#   copy ROWS           before each chunk; rows of the one before      go | no REASON
#   swap                before the tables are renamed                  go OLD | no REASON   OLD: the old table's new name
#
# While an answer takes its time, "wait" comes every few seconds: the connections to MySQL are kept alive then.
# Statements are seen where DBI carries them out, so that a connection that the tool opens anew asks as well.

use strict;
use warnings;

use IO::Socket::UNIX;

use constant SOCKET => 'alterd.sock';

sub new {
   my ($class, %args) = @_;
   my $self = bless { %args }, $class;
   my $here = SOCKET;
   $self->{wire} = IO::Socket::UNIX->new(Peer => $here)
      or die "alterd does not listen any more: $!\n";
   $self->{wire}->autoflush(1);
   binmode $_, ':utf8' for *STDOUT, *STDERR;    # names of tables; the tool has undone it as it connected
   return $self unless $args{execute};

   my %of_statements = (execute => sub { $self->before_execute(@_); return; });
   my %of_connections = (
      do             => sub { $self->before_do(@_); return; },
      ChildCallbacks => \%of_statements,
   );
   $_->dbh->{Callbacks} = \%of_connections for @args{qw(cxn aux_cxn)};
   # a connection that is opened later, after one was lost
   $args{cxn}->dbh->{Driver}->{Callbacks} = { ChildCallbacks => \%of_connections };
   return $self;
}

sub init {
   my ($self, %args) = @_;
   my $renamed = $args{renamed_cols} || {};
   $self->{table} = $args{orig_tbl};
   $self->ask(join ' ', 'renames', map { _hex($_) . '=' . _hex($renamed->{$_}) } sort keys %$renamed);
   return;
}

sub after_create_new_table {
   my ($self, %args) = @_;
   $self->{new} = $args{new_tbl};
   return;
}

# The tool believes that the old table has the name that it chose itself: what follows the swap looks for it there.
sub after_swap_tables {
   my ($self, %args) = @_;
   if ($args{old_tbl} && defined $self->{old}) {
      $args{old_tbl}->{tbl}  = $self->{old};
      $args{old_tbl}->{name} = $self->{Quoter}->quote($args{old_tbl}->{db}, $self->{old});
   }
   return;
}

sub before_execute {
   my ($self, $statement) = @_;
   return unless ($statement->{Statement} || '') =~ m/\AINSERT LOW_PRIORITY IGNORE INTO /;
   $self->ask('copy ' . (delete $self->{table}->{row_cnt} || 0));
   return;
}

sub before_do {
   my ($self) = @_;    # $_[2] is the statement, to be changed in its place
   return unless ($_[2] || '') =~ m/\A\s*RENAME\s+TABLE\b/i;
   my ($table, $new) = map { $_->{name} } @{$self}{qw(table new)};
   $_[2] =~ m/\ARENAME TABLE \Q$table\E TO .+, \Q$new\E TO \Q$table\E\z/s
      or die "alterd knows no such statement of the tool: $_[2]\n";
   my $old = $self->ask('swap');
   $old =~ m/\A\w+\z/ or die "alterd gave no name for the old table\n";
   $self->{old} = $old;
   my $target = $self->{Quoter}->quote($self->{table}->{db}, $old);
   $_[2] = "RENAME TABLE $table TO $target, $new TO $table";
   return;
}

sub ask {
   my ($self, $question) = @_;
   my $wire = $self->{wire};
   local $SIG{PIPE} = 'IGNORE';
   print {$wire} "$question\n" or die "alterd is gone: $!\n";
   while (defined(my $line = readline $wire)) {
      chomp $line;
      if ($line eq 'wait') {
         $_->dbh->ping for @{$self}{qw(cxn aux_cxn)};
         next;
      }
      return $1 if $line =~ m/\Ago ?(.*)\z/s;
      die "alterd says no: $1\n" if $line =~ m/\Ano (.*)\z/s;
      last;
   }
   die "alterd is gone\n";
}

sub _hex {
   my ($text) = @_;
   utf8::encode($text) if utf8::is_utf8($text);
   return unpack 'H*', $text;
}

1;
