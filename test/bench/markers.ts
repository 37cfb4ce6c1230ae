/**
 * Put `text` between `<!-- bench:name -->` and `<!-- /bench:name -->`, in place of what is there. Throws `Error` unless the document has
 * both markers exactly once, in order: a table must not vanish because somebody edited a comment.
 */
export function replaceBetweenMarkers(document: string, name: string, text: string): string {
  const open = `<!-- bench:${name} -->`;
  const close = `<!-- /bench:${name} -->`;
  const [before, rest, ...more] = document.split(open);
  const [, after, ...others] = rest?.split(close) ?? [];
  if (
    before === undefined ||
    after === undefined ||
    more.length > 0 ||
    others.length > 0 ||
    before.includes(close)
  ) {
    throw new Error(`Cannot write "${name}": ${open} and ${close} must each be there once`);
  }
  return `${before}${open}\n\n${text.trim()}\n\n${close}${after}`;
}
