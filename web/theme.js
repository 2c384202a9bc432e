// Dark and light: as the system says, or as the reader says.

const kThemes = ["auto", "light", "dark"];

function storedTheme() {
  try {
    return localStorage.getItem("trafficlab-theme") || "auto";
  } catch {
    return "auto";  // file:// without storage
  }
}

function applyTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

function themeButton(onChange) {
  let theme = storedTheme();
  const button = h("button", {type: "button", id: "theme", click: () => {
    theme = kThemes[(kThemes.indexOf(theme) + 1) % kThemes.length];
    try {
      localStorage.setItem("trafficlab-theme", theme);
    } catch {
      // for this view only, then
    }
    show();
    onChange();
  }});
  const show = () => {
    applyTheme(theme);
    button.textContent = `Theme: ${theme}`;
  };
  show();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", onChange);
  return button;
}

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}
