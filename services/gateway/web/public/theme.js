// Runs before the first paint: whoever chose colours in the settings sees no others, not even for a moment.
try {
  const chosen = localStorage.getItem('parley.theme');
  if (chosen === 'light' || chosen === 'dark') document.documentElement.dataset.theme = chosen;
} catch {
  // storage is switched off
}
