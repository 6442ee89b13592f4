-- Why: what people add to the numbers and what the stream tells them by itself. Views are addresses of the overview by name, notes are words
-- on a day, a notification is one message to one target: it is stored before it is sent, so that a process that dies between sending and
-- noting that it did sends the same message again under the same id. Nothing here is read or written on the way of an event.

create table saved_view (
  name       text        primary key check (length(name) between 1 and 80),
  query      text        not null check (length(query) <= 4000),
  updated_at timestamptz not null default now()
);
comment on table saved_view is 'Views of the overview by name.';
comment on column saved_view.name is 'Name that a reader gave; 1 to 80 characters.';
comment on column saved_view.query is 'Query of the overview''s address, without the question mark.';
comment on column saved_view.updated_at is 'When it was saved last.';

create table day_note (
  id         bigint      generated always as identity primary key,
  day        date        not null,
  note       text        not null check (length(note) between 1 and 200),
  created_at timestamptz not null default now()
);
create index day_note_day on day_note (day);
comment on table day_note is 'Notes on days, shown on the chart.';
comment on column day_note.id is 'Number of the note.';
comment on column day_note.day is 'Calendar day, in whatever time zone a reader looks.';
comment on column day_note.note is 'What happened; 1 to 200 characters.';
comment on column day_note.created_at is 'When it was written.';

create table notification (
  id              text        primary key,
  kind            text        not null check (kind in ('report', 'alert')),
  day_from        date        not null,
  day_to          date        not null,
  target_key      text        not null,
  target          text        not null,
  message         jsonb       not null,
  state           text        not null default 'pending' check (state in ('pending', 'sent', 'failed')),
  attempts        integer     not null default 0,
  next_attempt_at timestamptz not null default now(),
  claimed_until   timestamptz,
  last_error      text,
  created_at      timestamptz not null default now(),
  sent_at         timestamptz
);
create index notification_pending on notification (next_attempt_at) where state = 'pending';
comment on table notification is 'Messages to targets of the settings: each is delivered at least once, always under the same id.';
comment on column notification.id is 'Kind, schedule, days and target: the same message has the same id, also after a restored backup.';
comment on column notification.kind is 'report (of a period) or alert (a day left its forecast band).';
comment on column notification.day_from is 'First day that it is about, in NOTIFY_TIMEZONE.';
comment on column notification.day_to is 'Last day, inclusive.';
comment on column notification.target_key is 'Short hash of the target in the settings; the target itself may hold a secret.';
comment on column notification.target is 'Target as it may be shown: a host, or an e-mail address.';
comment on column notification.message is 'What is sent, fixed when the message was made.';
comment on column notification.state is 'pending, sent, or failed (given up after a week).';
comment on column notification.attempts is 'Deliveries that were begun.';
comment on column notification.next_attempt_at is 'A pending message is not sent before.';
comment on column notification.claimed_until is 'Another process leaves it alone until then.';
comment on column notification.last_error is 'Why the last delivery failed; without secrets.';
comment on column notification.created_at is 'When it was made.';
comment on column notification.sent_at is 'When its target took it; null before.';
