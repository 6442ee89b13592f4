// How a count is written for people, in a terminal and in files of text: CSV and JSON have plain digits. Pure.

/** `1,234,567`. */
export const countText = (count: number): string => Math.round(count).toLocaleString("en-US");
