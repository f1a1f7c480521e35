// Goes on counting what the server said in words: how long until a moment. `console.js` loads this where a page counts.

const two = (days, hours, minutes, seconds) => {
  if (days > 1) return `${days} days ${hours} h`;
  if (days === 1) return `1 day ${hours} h`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  if (minutes > 0) return `${minutes} min ${seconds} s`;
  return `${seconds} s`;
};

const places = [...document.querySelectorAll("[data-until]")].map((place) => [place, new Date(place.dataset.until)]);

function count() {
  for (const [place, until] of places) {
    const left = Math.max(0, Math.floor((until - Date.now()) / 1000));
    place.textContent = two(Math.floor(left / 86400), Math.floor(left / 3600) % 24, Math.floor(left / 60) % 60, left % 60);
  }
}

count();
setInterval(count, 1000);
