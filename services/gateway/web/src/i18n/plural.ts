type Forms = { readonly other: string } & Partial<Record<Intl.LDMLPluralRule, string>>;

/** Makes the function that puts a number into the right form of a language; `#` is where the number goes. */
export function plurals(language: string): (count: number, forms: Forms) => string {
  const rules = new Intl.PluralRules(language);
  const numbers = new Intl.NumberFormat(language);
  return (count, forms) => (forms[rules.select(count)] ?? forms.other).replace('#', numbers.format(count));
}
