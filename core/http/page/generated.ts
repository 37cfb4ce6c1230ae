// Written by scripts/embed-page.mjs from page.html; change that and run it again.

/** The chat page. */
export const PAGE_HTML: string = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <meta name="color-scheme" content="light dark" />
    <title>sirocco</title>
    <link
      rel="icon"
      href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24' fill='none' stroke='%23c2571a' stroke-width='2.4' stroke-linecap='round'%3E%3Cpath d='M2 9h11a3.2 3.2 0 1 0-3.2-3.2M2 13.5h16.5a3.2 3.2 0 1 1-3.2 3.2M2 18h7'/%3E%3C/svg%3E"
    />
    <script type="importmap">
      {
        "imports": {
          "@huggingface/jinja": "./browser/packages/@huggingface/jinja/index.js",
          "@noble/hashes/": "./browser/packages/@noble/hashes/",
          "valibot": "./browser/packages/valibot/index.mjs"
        }
      }
    </script>
    <style>
      :root {
        color-scheme: light dark;
        --ground: light-dark(#faf7f2, #17140f);
        --raised: light-dark(#ffffff, #211d17);
        --ink: light-dark(#2a241d, #efe8dd);
        --quiet: light-dark(#665c50, #b1a594);
        --line: light-dark(#d9cfc0, #443b30);
        --sand: light-dark(#ab4a12, #f09a5b);
        --on-sand: light-dark(#ffffff, #1b1208);
        --said: light-dark(#f3e7d8, #33291d);
        --wrong: light-dark(#a3201d, #ff9d94);
        --wait: light-dark(#8a7f70, #8f8474);
        --read: light-dark(#2f6f8f, #6fb3d2);
        --write: light-dark(#ab4a12, #f09a5b);
      }
      :root[data-theme="light"] {
        color-scheme: light;
      }
      :root[data-theme="dark"] {
        color-scheme: dark;
      }
      * {
        box-sizing: border-box;
      }
      html,
      body {
        height: 100%;
        margin: 0;
      }
      body {
        display: flex;
        flex-direction: column;
        background: var(--ground);
        color: var(--ink);
        font:
          16px/1.6 system-ui,
          -apple-system,
          "Segoe UI",
          Roboto,
          sans-serif;
      }
      header,
      main > *,
      form {
        width: 100%;
        max-width: 46rem;
        margin-inline: auto;
        padding-inline: 1rem;
      }
      header {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 0.2rem 0.6rem;
        padding-block: 0.8rem 0.4rem;
      }
      header svg {
        flex: none;
        width: 1.6rem;
        height: 1.6rem;
        stroke: var(--sand);
      }
      h1 {
        margin: 0;
        font-size: 1.1rem;
        letter-spacing: 0.01em;
      }
      h2 {
        margin: 0;
      }
      #about {
        margin-inline-start: auto;
        color: var(--quiet);
        font-size: 0.85rem;
        text-align: end;
        overflow-wrap: anywhere;
      }
      #live {
        width: 100%;
        margin: 0;
        color: var(--quiet);
        font-size: 0.8rem;
        font-variant-numeric: tabular-nums;
        text-align: end;
        min-height: 1.3em;
      }
      main {
        flex: 1;
        overflow-y: auto;
        padding-block: 0.5rem 1rem;
      }
      main:focus-visible {
        outline: 2px solid var(--sand);
        outline-offset: -2px;
      }
      #empty {
        color: var(--quiet);
        padding-block: 20vh 0;
        text-align: center;
        text-wrap: balance;
      }
      #log:not(:empty) ~ #empty {
        display: none;
      }
      article {
        margin-block: 0 1.3rem;
      }
      article p,
      article pre {
        margin: 0 0 0.6rem;
        white-space: pre-wrap;
        overflow-wrap: anywhere;
      }
      pre,
      code,
      .settings textarea {
        font:
          0.85rem/1.5 ui-monospace,
          "Cascadia Code",
          Menlo,
          Consolas,
          monospace;
      }
      pre {
        padding: 0.7rem 0.9rem;
        border: 1px solid var(--line);
        border-radius: 0.7rem;
        background: var(--raised);
      }
      article.user {
        display: flex;
        justify-content: end;
      }
      article.user p {
        max-width: 85%;
        margin: 0;
        padding: 0.55rem 0.9rem;
        border-radius: 1.1rem 1.1rem 0.3rem;
        background: var(--said);
      }
      article.busy .text::after {
        content: "";
        display: inline-block;
        width: 0.5em;
        height: 1em;
        margin-inline-start: 0.15em;
        vertical-align: -0.12em;
        border-radius: 0.15em;
        background: var(--sand);
        animation: breathe 1.1s ease-in-out infinite;
      }
      @keyframes breathe {
        50% {
          opacity: 0.2;
        }
      }
      @media (prefers-reduced-motion: reduce) {
        article.busy .text::after {
          animation: none;
        }
      }
      article footer {
        color: var(--quiet);
        font-size: 0.8rem;
        font-variant-numeric: tabular-nums;
      }
      .waterfall {
        display: grid;
        grid-template-columns: auto 1fr auto;
        align-items: center;
        gap: 0.15rem 0.6rem;
        margin: 0.5rem 0 0;
        padding: 0;
        list-style: none;
        max-width: 30rem;
      }
      .waterfall li {
        display: contents;
      }
      .waterfall .track {
        position: relative;
        height: 0.55rem;
        border-radius: 0.3rem;
        background: var(--said);
      }
      .waterfall .bar {
        position: absolute;
        inset-block: 0;
        min-width: 2px;
        border-radius: 0.3rem;
      }
      .waterfall .waiting {
        background: var(--wait);
      }
      .waterfall .reading {
        background: var(--read);
      }
      .waterfall .writing {
        background: var(--write);
      }
      .waterfall .amount {
        text-align: end;
      }
      .actions {
        display: flex;
        flex-wrap: wrap;
        gap: 0 0.9rem;
      }
      .wrong {
        margin-block: 0.4rem;
        color: var(--wrong);
      }
      form {
        padding-block: 0.4rem 1rem;
      }
      .box {
        display: flex;
        align-items: end;
        gap: 0.5rem;
        padding: 0.5rem;
        border: 1px solid var(--line);
        border-radius: 1.3rem;
        background: var(--raised);
      }
      .box:focus-within {
        border-color: var(--sand);
        outline: 1px solid var(--sand);
      }
      .box textarea {
        flex: 1;
        min-width: 0;
        max-height: 40vh;
        padding: 0.35rem 0.5rem;
        border: 0;
        outline: 0;
        resize: none;
        background: none;
        color: inherit;
        font: inherit;
        field-sizing: content;
      }
      input::placeholder,
      textarea::placeholder {
        color: var(--quiet);
        opacity: 1;
      }
      button,
      select,
      input {
        font: inherit;
        color: inherit;
      }
      button {
        border: 0;
        border-radius: 1rem;
        padding: 0.35rem 0.95rem;
        background: var(--sand);
        color: var(--on-sand);
        font-weight: 600;
        cursor: pointer;
      }
      button.plain,
      summary {
        padding: 0.2rem 0;
        border-radius: 0.3rem;
        background: none;
        color: var(--quiet);
        font-weight: 400;
        font-size: 0.85rem;
        text-decoration: underline;
        text-underline-offset: 0.2em;
        cursor: pointer;
      }
      button:focus-visible,
      summary:focus-visible,
      select:focus-visible,
      .settings textarea:focus-visible,
      input:focus-visible {
        outline: 2px solid var(--sand);
        outline-offset: 2px;
      }
      .bar-below {
        display: flex;
        flex-wrap: wrap;
        align-items: start;
        gap: 0 1.1rem;
        padding: 0.5rem 0.6rem 0;
      }
      .bar-below details {
        flex: 1;
      }
      .settings {
        display: grid;
        grid-template-columns: repeat(auto-fill, minmax(10rem, 1fr));
        gap: 0.5rem 1rem;
        padding-block: 0.5rem;
        color: var(--quiet);
        font-size: 0.85rem;
      }
      .settings label {
        display: grid;
        gap: 0.15rem;
      }
      .settings .wide {
        grid-column: 1 / -1;
      }
      #theme,
      .settings select,
      .settings input,
      .settings textarea {
        padding: 0.25rem 0.45rem;
        border: 1px solid var(--line);
        border-radius: 0.5rem;
        background: var(--raised);
        color: var(--ink);
        resize: vertical;
      }
      #theme {
        font-size: 0.85rem;
      }
      .settings select,
      .settings input,
      .settings textarea {
        width: 100%;
      }
      .unseen {
        position: absolute;
        width: 1px;
        height: 1px;
        overflow: hidden;
        clip-path: inset(50%);
        white-space: nowrap;
      }
      [hidden] {
        display: none !important;
      }
    </style>
  </head>
  <body>
    <header>
      <svg
        viewBox="0 0 24 24"
        fill="none"
        stroke-width="2.2"
        stroke-linecap="round"
        aria-hidden="true"
      >
        <path d="M2 9h11a3.2 3.2 0 1 0-3.2-3.2M2 13.5h16.5a3.2 3.2 0 1 1-3.2 3.2M2 18h7" />
      </svg>
      <h1>sirocco</h1>
      <div id="about" role="status">looking for the model…</div>
      <p id="live"></p>
    </header>
    <main id="main" tabindex="0" aria-label="Conversation">
      <div id="log" role="log" aria-label="Messages"></div>
      <p id="empty">Ask something. The model runs on this server; nothing is sent anywhere else.</p>
    </main>
    <form id="form" aria-label="Ask">
      <div class="box">
        <label class="unseen" for="text">Message</label>
        <textarea id="text" rows="1" placeholder="Message" autofocus></textarea>
        <button id="send" type="submit">Send</button>
        <button id="stop" type="button" hidden>Stop</button>
      </div>
      <div class="bar-below">
        <details id="parameters">
          <summary>Parameters</summary>
          <div class="settings">
            <label for="key" id="key-label"
              >API key <input id="key" type="password" autocomplete="off"
            /></label>
            <label
              >Model
              <select id="model"></select
            ></label>
            <label id="where-label" hidden
              >Answer in
              <select id="where">
                <option value="">this server</option>
                <option value="auto">this browser</option>
                <option value="webgpu">this browser, by WebGPU</option>
                <option value="wasm">this browser, by WebAssembly</option>
              </select></label
            >
            <label
              >Temperature
              <input id="temperature" type="number" min="0" max="2" step="0.1" value="0.7"
            /></label>
            <label
              >Top p
              <input id="top-p" type="number" min="0" max="1" step="0.05" placeholder="model's"
            /></label>
            <label
              >Max tokens <input id="limit" type="number" min="1" step="1" placeholder="no limit"
            /></label>
            <label
              >Seed <input id="seed" type="number" min="0" step="1" placeholder="by chance"
            /></label>
            <label class="wide">System prompt <textarea id="system" rows="2"></textarea></label>
            <label class="wide"
              >Further fields of the request, as JSON
              <textarea
                id="extra"
                rows="2"
                spellcheck="false"
                placeholder='{"tools": [], "stop": ["\\n"]}'
              ></textarea>
            </label>
          </div>
        </details>
        <label class="unseen" for="theme">Colours</label>
        <select id="theme">
          <option value="">Auto</option>
          <option value="light">Light</option>
          <option value="dark">Dark</option>
        </select>
        <button id="clear" type="button" class="plain">New chat</button>
      </div>
    </form>
    <script>
      "use strict";
      const at = (id) => document.getElementById(id);
      const [main, log, about, live, form, text, send, stop] = [
        "main",
        "log",
        "about",
        "live",
        "form",
        "text",
        "send",
        "stop",
      ].map(at);
      const [model, where, temperature, topP, limit, seed, system, extra, key, clear, theme] = [
        "model",
        "where",
        "temperature",
        "top-p",
        "limit",
        "seed",
        "system",
        "extra",
        "key",
        "clear",
        "theme",
      ].map(at);

      let models = [];
      let turns = [];
      let running;
      let last;

      // Text only ever becomes textContent, whatever a model writes.
      const add = (parent, tag, className, content = "") => {
        const element = document.createElement(tag);
        if (className) element.className = className;
        element.textContent = content;
        parent.append(element);
        return element;
      };
      const action = (parent, name, act) => {
        const button = add(parent, "button", "plain", name);
        button.type = "button";
        button.addEventListener("click", () => act(button));
        return button;
      };
      const count = (number, what) => \`\${number} \${what}\${number === 1 ? "" : "s"}\`;
      const authorised = () => (key.value === "" ? {} : { authorization: \`Bearer \${key.value}\` });
      const remembered = (storage, name) => {
        try {
          return window[storage].getItem(name) ?? "";
        } catch {
          return "";
        }
      };
      const remember = (storage, name, value) => {
        try {
          window[storage].setItem(name, value);
        } catch {
          // A browser may forbid it; then nothing is remembered.
        }
      };

      const chosen = () => models.find(({ id }) => id === model.value);
      const describe = ({ backend, threads, why } = chosen()?.sirocco ?? {}) => {
        const { id, sirocco } = chosen() ?? {};
        if (id === undefined) return;
        const { context_length: context, file } = sirocco ?? {};
        at("where-label").hidden = file === undefined;
        about.textContent = [
          id,
          why === undefined ? backend : \`\${backend} in this browser (\${why})\`,
          threads > 1 ? \`\${threads} threads\` : "",
          context ? \`\${context} tokens\` : "",
        ]
          .filter(Boolean)
          .join(" · ");
      };

      // Where answers are to come from this browser: a promise of what answers, and how to give it up.
      let here;
      let giveUp;
      const leave = async () => {
        const left = here;
        here = undefined;
        giveUp?.abort();
        const answering = await left?.catch(() => undefined);
        await answering?.close();
      };
      const settle = async () => {
        running?.abort();
        const left = leave();
        const { id, sirocco } = chosen() ?? {};
        const backend = where.value;
        const local = backend !== "" && sirocco?.file !== undefined;
        at("empty").textContent = \`Ask something. The model runs \${
          local ? "in this browser" : "on this server"
        }; nothing is sent anywhere else.\`;
        if (!local) return describe();
        about.textContent = "loading the model into this browser…";
        const leaving = (giveUp = new AbortController());
        const arriving = (async () => {
          // One model has room, not two.
          await left;
          const { answerHere } = await import("./browser/dist/adapters/browser/answer-here.js");
          const url = new URL(\`models/\${encodeURIComponent(sirocco.file)}\`, document.baseURI);
          // The browser keeps it, and is not to keep it for another model of that name.
          url.searchParams.set("digest", sirocco.digest);
          return answerHere(
            url,
            { id, digest: sirocco.digest },
            {
              backend,
              contextSize: Math.min(sirocco.context_length, 4096),
              headers: authorised(),
              signal: leaving.signal,
              onProgress: (done, total) => {
                if (here !== arriving || total === 0) return;
                about.textContent = \`loading into this browser: \${Math.floor((100 * done) / total)} %\`;
              },
            },
          );
        })();
        here = arriving;
        try {
          const arrived = await arriving;
          if (here === arriving) describe(arrived);
        } catch (error) {
          if (here !== arriving) return;
          about.textContent = \`Not in this browser: \${error.message}\`;
        }
      };

      let looking;
      const load = async () => {
        clearTimeout(looking);
        try {
          const response = await fetch("v1/models", { headers: authorised() });
          if (response.status === 401 || response.status === 403) {
            about.textContent = "This server needs an API key: it goes under Parameters.";
            at("parameters").open = true;
            key.focus();
            return;
          }
          if (!response.ok) throw new Error(\`the server answered \${response.status}\`);
          models = (await response.json()).data;
          if (models.length === 0) throw new Error("the model is still loading");
          model.replaceChildren();
          for (const { id } of models) add(model, "option", "", id).value = id;
          await settle();
        } catch (error) {
          about.textContent = \`No model yet: \${error.message}. Trying again…\`;
          looking = setTimeout(load, 1500);
        }
      };

      // What the server does, for everybody together; where metrics are not for us, nothing is shown.
      let before;
      const watch = async () => {
        if (document.visibilityState !== "visible") return;
        const response = await fetch("metrics", { headers: authorised() }).catch(() => undefined);
        if (response === undefined || !response.ok) {
          live.textContent = "";
          before = undefined;
          return;
        }
        const lines = await response.text();
        const total = (name) =>
          [...lines.matchAll(new RegExp(\`^vllm:\${name}(?:\\\\{.*\\\\})? (\\\\S+)$\`, "gm"))]
            .map(([, value]) => Number(value))
            .reduce((sum, value) => sum + value, 0);
        const now = { time: performance.now(), tokens: total("generation_tokens_total") };
        const rate = before && ((now.tokens - before.tokens) * 1000) / (now.time - before.time);
        before = now;
        live.textContent = [
          \`\${total("num_requests_running")} running\`,
          \`\${total("num_requests_waiting")} waiting\`,
          rate === undefined ? "" : \`\${rate.toFixed(rate < 10 ? 1 : 0)} tokens/s\`,
        ]
          .filter(Boolean)
          .join(" · ");
      };

      const readEvents = async function* (response) {
        const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
        let rest = "";
        for (;;) {
          const { done, value } = await reader.read();
          if (done) return;
          const frames = (rest + value).split("\\n\\n");
          rest = frames.pop();
          for (const frame of frames) {
            const line = frame.split("\\n").find((one) => one.startsWith("data: "));
            if (line === undefined) continue;
            const data = line.slice(6);
            if (data === "[DONE]") return;
            yield JSON.parse(data);
          }
        }
      };

      const numberOf = (input) => (input.value === "" ? undefined : Number(input.value));
      const makeRequest = () => {
        let further;
        try {
          further = extra.value.trim() === "" ? {} : JSON.parse(extra.value);
        } catch (error) {
          throw new Error(\`The further fields are no JSON: \${error.message}\`);
        }
        const first = system.value.trim() === "" ? [] : [{ role: "system", content: system.value }];
        return {
          model: model.value,
          messages: [...first, ...turns],
          stream: true,
          stream_options: { include_usage: true },
          temperature: numberOf(temperature),
          top_p: numberOf(topP),
          max_tokens: numberOf(limit),
          seed: numberOf(seed),
          ...further,
        };
      };

      const ask = async (request, signal) => {
        const asked = new Request("v1/chat/completions", {
          method: "POST",
          headers: { "content-type": "application/json", ...authorised() },
          signal,
          body: JSON.stringify(request),
        });
        const answering = await here;
        signal.throwIfAborted();
        const response = await (answering?.fetch(asked) ?? fetch(asked));
        if (response.ok) return response;
        const body = await response.json().catch(() => ({}));
        throw new Error(body.error?.message ?? \`The server answered \${response.status}\`);
      };

      const toNote = (tokens, timings, reason) => {
        const speed = timings?.predicted_per_second;
        return [
          count(tokens, "token"),
          typeof speed === "number" ? \`\${speed.toFixed(speed < 10 ? 1 : 0)} tokens/s\` : "",
          timings ? \`first after \${Math.round(timings.ttft_ms)} ms\` : "",
          reason === "length" ? "cut off at the limit" : "",
          reason === "stopped" ? "stopped" : "",
        ]
          .filter(Boolean)
          .join(" · ");
      };

      // Where the time of an answer went, as the server measured it, and what the way here added.
      const waterfall = (parent, timings, wholeMs) => {
        const {
          queue_ms: queue = 0,
          prompt_ms: prompt,
          ttft_ms: first,
          predicted_ms: writing,
        } = timings;
        const reading = prompt ?? first - queue;
        const whole = Math.max(wholeMs, queue + reading + writing);
        const stages = [
          ["Waiting", "waiting", 0, queue],
          [\`Reading \${timings.prompt_n}\`, "reading", queue, reading],
          [\`Writing \${timings.predicted_n}\`, "writing", queue + reading, writing],
        ];
        const list = add(parent, "ul", "waterfall");
        list.setAttribute("aria-label", \`Timing of \${Math.round(whole)} ms\`);
        for (const [name, className, from, duration] of stages) {
          const row = add(list, "li", "");
          add(row, "span", "", name);
          const track = add(row, "span", "track");
          const bar = add(track, "span", \`bar \${className}\`);
          bar.style.insetInlineStart = \`\${(100 * from) / whole}%\`;
          bar.style.width = \`\${(100 * duration) / whole}%\`;
          add(row, "span", "amount", \`\${duration.toFixed(duration < 10 ? 1 : 0)} ms\`);
        }
      };

      // Fences become blocks of code, which keep their spaces; all else stays as it is.
      const show = (parent, content) => {
        parent.replaceChildren();
        for (const [i, part] of content.split(/^\`\`\`[^\\n]*\\n?/m).entries()) {
          if (part.trim() !== "")
            add(parent, i % 2 === 0 ? "p" : "pre", "", part.replace(/\\n+$/, ""));
        }
      };

      const addCalls = (calls, deltas) => {
        for (const { index = 0, id, function: called = {} } of deltas) {
          const call = (calls[index] ??= { id, name: "", arguments: "" });
          call.name += called.name ?? "";
          call.arguments += called.arguments ?? "";
        }
      };
      const showCalls = (parent, calls) => {
        parent.replaceChildren();
        for (const { name, arguments: given } of calls.filter(Boolean)) {
          add(parent, "pre", "call", \`\${name}(\${given})\`);
        }
      };

      const answer = async () => {
        const article = add(log, "article", "assistant busy");
        add(article, "h2", "unseen", "Answer");
        const words = add(add(article, "div", "text"), "p", "");
        const body = words.parentElement;
        const tools = add(article, "div", "tools");
        const note = add(article, "footer", "");
        const began = performance.now();
        const calls = [];
        const events = [];
        let request;
        let first = 0;
        let tokens = 0;
        let timings;
        let reason;
        let content = "";
        const conversation = turns;
        running = new AbortController();
        log.setAttribute("aria-busy", "true");
        send.hidden = true;
        stop.hidden = false;
        last?.remove();
        try {
          request = makeRequest();
          for await (const event of readEvents(await ask(request, running.signal))) {
            events.push(event);
            if (event.error) throw new Error(event.error.message);
            const [choice] = event.choices;
            const piece = choice?.delta?.content ?? "";
            const delta = choice?.delta?.tool_calls ?? [];
            reason = choice?.finish_reason ?? reason;
            if (event.usage) {
              tokens = event.usage.completion_tokens;
              timings = event.timings;
            }
            if (piece === "" && delta.length === 0) continue;
            const nearEnd = main.scrollHeight - main.scrollTop - main.clientHeight < 80;
            first ||= performance.now();
            tokens++;
            addCalls(calls, delta);
            if (delta.length > 0) showCalls(tools, calls);
            content += piece;
            words.textContent = content;
            const seconds = (performance.now() - first) / 1000;
            note.textContent = toNote(tokens, {
              ttft_ms: first - began,
              predicted_per_second: tokens > 4 ? (tokens - 1) / seconds : null,
            });
            if (nearEnd) main.scrollTop = main.scrollHeight;
          }
        } catch (error) {
          if (error.name === "AbortError") reason = "stopped";
          else add(article, "div", "wrong", error.message).setAttribute("role", "alert");
        } finally {
          running = undefined;
          show(body, content);
          note.textContent = tokens > 0 || reason ? toNote(tokens, timings, reason) : "";
          if (timings) waterfall(note, timings, performance.now() - began);
          finish(article, conversation, content, { request, events });
          article.classList.remove("busy");
          log.setAttribute("aria-busy", "false");
          send.hidden = false;
          stop.hidden = true;
          main.scrollTop = main.scrollHeight;
          text.focus();
        }
        if (content !== "") conversation.push({ role: "assistant", content });
      };

      const finish = (article, conversation, content, exchange) => {
        const actions = add(article, "div", "actions");
        if (content !== "") {
          action(actions, "Copy", async (button) => {
            await navigator.clipboard?.writeText(content);
            button.textContent = "Copied";
          });
        }
        if (exchange.request !== undefined) {
          action(actions, "JSON", (button) => {
            const shown = article.querySelector("pre.json");
            button.setAttribute("aria-expanded", String(shown === null));
            if (shown !== null) return shown.remove();
            add(article, "pre", "json", JSON.stringify(exchange, null, 2)).tabIndex = 0;
          }).setAttribute("aria-expanded", "false");
        }
        last = action(actions, "Regenerate", () => {
          if (running || conversation !== turns) return;
          if (turns.at(-1)?.role === "assistant") turns.pop();
          article.remove();
          void answer();
        });
      };

      form.addEventListener("submit", (event) => {
        event.preventDefault();
        const content = text.value.trim();
        if (content === "" || running || models.length === 0) return;
        text.value = "";
        // A question that got no answer is no part of the conversation.
        turns = turns.at(-1)?.role === "user" ? turns.slice(0, -1) : turns;
        turns.push({ role: "user", content });
        const article = add(log, "article", "user");
        add(article, "h2", "unseen", "Question");
        add(article, "p", "", content);
        main.scrollTop = main.scrollHeight;
        void answer();
      });
      text.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
        event.preventDefault();
        form.requestSubmit();
      });
      document.addEventListener("keydown", (event) => {
        if (event.key === "Escape") running?.abort();
      });
      stop.addEventListener("click", () => running?.abort());
      clear.addEventListener("click", () => {
        running?.abort();
        turns = [];
        last = undefined;
        log.replaceChildren();
        text.focus();
      });
      model.addEventListener("change", settle);
      where.addEventListener("change", settle);
      key.value = remembered("sessionStorage", "key");
      key.addEventListener("change", () => {
        remember("sessionStorage", "key", key.value);
        void load();
      });
      theme.value = remembered("localStorage", "theme");
      const paint = () => {
        document.documentElement.dataset.theme = theme.value;
        remember("localStorage", "theme", theme.value);
      };
      theme.addEventListener("change", paint);
      paint();
      void load();
      void watch();
      setInterval(watch, 2000);
    </script>
  </body>
</html>
`;

/** Its Content-Security-Policy: its own script and style and nothing else. */
export const PAGE_CSP: string = `default-src 'none'; script-src 'sha256-cESgKz1uIppEGbg6w7DODV8NUKxNMx1c9HPgI3D0S5I=' 'sha256-Sav6ZYX3uEUONmq3txlbmqUpAkr8rxipbCFRszC7xjg='; style-src 'sha256-gQHVGi8jqdYl5pEoxUZSLeWDleajtXI9/liAWQZPU8I='; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

/** The same where the page may load modules from its own server, to answer by itself. */
export const BROWSER_CSP: string = `default-src 'none'; script-src 'sha256-cESgKz1uIppEGbg6w7DODV8NUKxNMx1c9HPgI3D0S5I=' 'sha256-Sav6ZYX3uEUONmq3txlbmqUpAkr8rxipbCFRszC7xjg=' 'self'; worker-src 'self'; style-src 'sha256-gQHVGi8jqdYl5pEoxUZSLeWDleajtXI9/liAWQZPU8I='; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
