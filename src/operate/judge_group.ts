// What the consumer group's members mean for the stream. Pure.
import type { NamedError } from "../shared/errors.ts";
import { groupShared } from "../source/kafka/faults.ts";
import { type GroupDescription, strangersOf } from "../source/kafka/group_members.ts";
import { fail, type Finding, ok } from "./finding.ts";

/** Is the group ours alone? @param group its members, or why it may not be read */
export function judgeGroup(name: string, group: GroupDescription | NamedError): Finding {
  if (group instanceof Error) return fail("group", group.message, group.action);
  const strangers = strangersOf(group.members);
  if (strangers.length > 0) {
    const { reason, action } = groupShared(name, strangers);
    return fail("group", reason, action);
  }
  // Kafka calls a group that is not there dead.
  return group.members.length === 0
    ? ok("group", `${name}: no members now`)
    : ok("group", `${name}: ${group.state}, ${group.members.length} members`);
}
