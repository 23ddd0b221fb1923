// Vectors to ask within a page: neighbours of a word, and a : b :: c : ?. The page has for each word its vector as
// bytes with a sign; here each is made of length 1 again, and all are compared at every key. Nothing leaves the page.
"use strict";
for (const figure of document.querySelectorAll(".explore")) {
  const { words, dim, codes } = JSON.parse(figure.querySelector("script").textContent);
  const bytes = Int8Array.from(atob(codes), (letter) => letter.charCodeAt(0));
  const units = new Float32Array(bytes.length);
  const rows = new Map(words.map((word, row) => [word, row]));
  for (let row = 0; row < words.length; row++) {
    let sum = 0;
    for (let at = row * dim; at < (row + 1) * dim; at++) sum += bytes[at] * bytes[at];
    const length = Math.sqrt(sum) || 1;
    for (let at = row * dim; at < (row + 1) * dim; at++) units[at] = bytes[at] / length;
  }

  // The row of a word as it is typed: as it is, in small letters, or with the sign of a space before it.
  const find = (typed) => {
    const word = typed.trim();
    const forms = [word, word.toLowerCase(), "▁" + word, word[0]?.toUpperCase() + word.slice(1)];
    return rows.get(forms.find((form) => rows.has(form)));
  };

  // The ten words of the largest cosine with a sum of rows, each with its sign.
  const best = (parts) => {
    const wanted = new Float32Array(dim);
    for (const [row, sign] of parts) for (let k = 0; k < dim; k++) wanted[k] += sign * units[row * dim + k];
    const length = Math.hypot(...wanted) || 1;
    const own = new Set(parts.map(([row]) => row));
    const found = [];
    for (let row = 0; row < words.length; row++) {
      let sum = 0;
      for (let k = 0; k < dim; k++) sum += wanted[k] * units[row * dim + k];
      if (!own.has(row)) found.push([sum / length, row]);
    }
    return found.sort((one, other) => other[0] - one[0] || one[1] - other[1]).slice(0, 10);
  };

  const show = (ask, found) => {
    ask.querySelector(".near").replaceChildren(
      ...found.map(([score, row]) => {
        const item = document.createElement("li");
        const name = document.createElement("button");
        const bar = document.createElement("span");
        name.textContent = words[row];
        name.addEventListener("click", () => open(words[row]));
        bar.className = "bar";
        bar.style.setProperty("--length", `${Math.max(100 * score, 0)}%`);
        item.append(name, bar, score.toFixed(2).replace("-", "−"));
        return item;
      }),
    );
  };

  const [first, second] = figure.querySelectorAll(".ask");
  const input = (name) => figure.querySelector(`input.${name}`);

  // Answer what is typed in the fields; for a word that is not there, offer those that begin like it.
  const answer = (ask, fields, signs) => {
    const typed = fields.map((name) => input(name).value);
    const parts = typed.map((word, place) => [find(word), signs[place]]);
    const missing = typed.filter((word, place) => parts[place][0] === undefined);
    const said = ask.querySelector(".said");
    said.textContent = "";
    if (!missing.length) return show(ask, best(parts));
    show(ask, []);
    const start = missing[0].trim().toLowerCase();
    if (!start) return;
    const like = words.filter((word) => word.toLowerCase().replace("▁", "").startsWith(start)).slice(0, 6);
    said.textContent = `${missing[0].trim()} is not among these words` + (like.length ? `; ${like.join(", ")} …` : ".");
  };
  const neighbours = () => answer(first, ["word"], [1]);
  const analogy = () => answer(second, ["a", "b", "c"], [-1, 1, 1]);
  const open = (word) => {
    input("word").value = word;
    history.replaceState(null, "", `#${encodeURIComponent(word)}`);
    neighbours();
  };

  // #king or #man:woman:king; the page's own sections are left alone.
  const address = () => {
    let asked = location.hash.slice(1);
    try {
      asked = decodeURIComponent(asked);
    } catch {
      return;
    }
    if (!asked || document.getElementById(asked)) return;
    const three = asked.split(":");
    if (three.length === 3 && three.every(Boolean)) {
      ["a", "b", "c"].forEach((name, place) => (input(name).value = three[place]));
    } else {
      input("word").value = asked;
    }
    neighbours();
    analogy();
  };

  input("word").addEventListener("input", neighbours);
  for (const name of ["a", "b", "c"]) input(name).addEventListener("input", analogy);
  addEventListener("hashchange", address);
  figure.hidden = false;
  neighbours();
  analogy();
  address();
}
