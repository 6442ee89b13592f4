// Whether a column of a log line is an address, by its shape. No I/O. Which place it has is the locator's question.

const V4 = /^(?:\d{1,3}\.){3}\d{1,3}(?::\d{1,5})?$/;
const V6 =
  /^(?:\[[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%[\w.-]+)?\](?::\d{1,5})?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%[\w.-]+)?)$/;

/** An IPv4 or IPv6 address, with or without port, brackets and zone. */
export function isAddressText(text: string): boolean {
  return V4.test(text) || (text.length > 2 && V6.test(text));
}

/** What X-Forwarded-For holds: addresses, `unknown` or `-` between commas, at least one of them an address. */
export function isForwardedList(text: string): boolean {
  let addresses = 0;
  for (const entry of text.split(",")) {
    const one = entry.trim();
    if (isAddressText(one)) addresses++;
    else if (one !== "" && one !== "-" && one !== "unknown") return false;
  }
  return addresses > 0;
}
