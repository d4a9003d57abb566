// Shows whether the live parts of a page are live, and leaves a page whose session has ended. The rest is htmx.
(() => {
  "use strict";
  const pulse = document.getElementById("pulse");
  const tell = (state, words) => {
    pulse.hidden = false;
    pulse.dataset.state = state;
    pulse.textContent = words;
  };
  document.addEventListener("htmx:sseOpen", () => tell("live", "live"));
  document.addEventListener("htmx:sseError", () => tell("stale", "not live, trying again"));
  document.addEventListener("htmx:sseClose", (event) => {
    if (event.detail.type === "message") {
      tell("stale", "signed out");
      window.location.reload();
    }
  });
})();
