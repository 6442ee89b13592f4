-- A log's files are known by more than their beginnings: what was read of them right before a position, and which of them were there before
-- the stream. A file that grows after it was left is read on under a further number.

alter table source_generation
  add column content     integer,
  add column from_byte   bigint  not null default 0,
  add column proof_to    bigint,
  add column proof_bytes integer,
  add column proof       text,
  add column last_time   bigint,
  add column sealed      boolean not null default false;
comment on column source_generation.content is 'First generation of the same file''s content; null: this one.';
comment on column source_generation.from_byte is 'First byte of the content that belongs to this generation.';
comment on column source_generation.proof_to is 'One past the last byte that proof covers; null before anything was read.';
comment on column source_generation.proof_bytes is 'Bytes that proof covers.';
comment on column source_generation.proof is 'SHA-256 in hex of the bytes that were read right before proof_to.';
comment on column source_generation.last_time is 'Time of the last event read, in epoch milliseconds.';
comment on column source_generation.sealed is 'True once the finished file was compressed with nothing added.';
comment on column source_generation.generation is 'Number of the file in the logical log, from 1. Up to 0: a file from before the stream, which is not a part of it.';
