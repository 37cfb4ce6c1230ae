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
    <style>
      :root {
        --ground: #faf7f2;
        --raised: #ffffff;
        --ink: #2a241d;
        --quiet: #6f6558;
        --line: #e4dccf;
        --sand: #c2571a;
        --on-sand: #ffffff;
        --said: #f3e7d8;
        --wrong: #a3201d;
      }
      @media (prefers-color-scheme: dark) {
        :root {
          --ground: #17140f;
          --raised: #211d17;
          --ink: #efe8dd;
          --quiet: #a89c8b;
          --line: #3a332a;
          --sand: #f09a5b;
          --on-sand: #1b1208;
          --said: #33291d;
          --wrong: #ff9d94;
        }
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
          16px/1.55 system-ui,
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
        align-items: center;
        gap: 0.6rem;
        padding-block: 0.8rem;
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
      #about {
        margin-inline-start: auto;
        color: var(--quiet);
        font-size: 0.85rem;
        text-align: end;
        overflow-wrap: anywhere;
      }
      main {
        flex: 1;
        overflow-y: auto;
        padding-block: 0.5rem 1rem;
      }
      #empty {
        color: var(--quiet);
        padding-block: 22vh 0;
        text-align: center;
        text-wrap: balance;
      }
      #log:not(:empty) ~ #empty {
        display: none;
      }
      article {
        margin-block: 0 1.1rem;
      }
      article p {
        margin: 0;
        white-space: pre-wrap;
        overflow-wrap: anywhere;
      }
      article.user {
        display: flex;
        justify-content: end;
      }
      article.user p {
        max-width: 85%;
        padding: 0.55rem 0.9rem;
        border-radius: 1.1rem 1.1rem 0.3rem;
        background: var(--said);
      }
      article.busy p::after {
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
        article.busy p::after {
          animation: none;
        }
      }
      article footer {
        margin-top: 0.3rem;
        color: var(--quiet);
        font-size: 0.8rem;
        font-variant-numeric: tabular-nums;
      }
      article .wrong {
        margin-top: 0.4rem;
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
      textarea {
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
      button.plain {
        padding-inline: 0.3rem;
        background: none;
        color: var(--quiet);
        font-weight: 400;
        text-decoration: underline;
        text-underline-offset: 0.2em;
      }
      button:focus-visible,
      select:focus-visible,
      input:focus-visible {
        outline: 2px solid var(--sand);
        outline-offset: 2px;
      }
      .settings {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 0.3rem 1.1rem;
        padding: 0.5rem 0.6rem 0;
        color: var(--quiet);
        font-size: 0.85rem;
      }
      .settings label {
        display: flex;
        align-items: center;
        gap: 0.4rem;
      }
      .settings select,
      .settings input {
        max-width: 16rem;
        padding: 0.1rem 0.35rem;
        border: 1px solid var(--line);
        border-radius: 0.5rem;
        background: var(--raised);
      }
      .settings input {
        width: 5.2rem;
      }
      #clear {
        margin-inline-start: auto;
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
    </header>
    <main id="main">
      <div id="log" role="log" aria-label="Conversation"></div>
      <p id="empty">Ask something. The model runs on this server; nothing is sent anywhere else.</p>
    </main>
    <form id="form">
      <div class="box">
        <label class="unseen" for="text">Message</label>
        <textarea id="text" rows="1" placeholder="Message" autofocus></textarea>
        <button id="send" type="submit">Send</button>
        <button id="stop" type="button" hidden>Stop</button>
      </div>
      <div class="settings">
        <label
          >Model
          <select id="model"></select
        ></label>
        <label>
          Temperature
          <input id="temperature" type="number" min="0" max="2" step="0.1" value="0.7" />
        </label>
        <label>
          Max tokens <input id="limit" type="number" min="1" step="1" placeholder="no limit" />
        </label>
        <button id="clear" type="button" class="plain">New chat</button>
      </div>
    </form>
    <script>
      "use strict";
      const at = (id) => document.getElementById(id);
      const [main, log, about, form, text, send, stop, model, temperature, limit, clear] = [
        "main",
        "log",
        "about",
        "form",
        "text",
        "send",
        "stop",
        "model",
        "temperature",
        "limit",
        "clear",
      ].map(at);

      let models = [];
      let turns = [];
      let running;

      // Text only ever becomes textContent, whatever a model writes.
      const add = (parent, tag, className, content = "") => {
        const element = document.createElement(tag);
        if (className) element.className = className;
        element.textContent = content;
        parent.append(element);
        return element;
      };

      const describe = () => {
        const { id, sirocco } = models.find(({ id }) => id === model.value) ?? {};
        if (id === undefined) return;
        const { backend, threads, context_length: context } = sirocco ?? {};
        about.textContent = [
          id,
          backend,
          threads > 1 ? \`\${threads} threads\` : "",
          context ? \`\${context} tokens\` : "",
        ]
          .filter(Boolean)
          .join(" · ");
      };

      const load = async () => {
        try {
          const response = await fetch("v1/models");
          if (!response.ok) throw new Error(\`the server answered \${response.status}\`);
          models = (await response.json()).data;
          if (models.length === 0) throw new Error("the model is still loading");
          for (const { id } of models) add(model, "option", "", id).value = id;
          describe();
        } catch (error) {
          about.textContent = \`No model yet: \${error.message}. Trying again…\`;
          setTimeout(load, 1500);
        }
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
            if (!frame.startsWith("data: ")) continue;
            const data = frame.slice(6);
            if (data === "[DONE]") return;
            yield JSON.parse(data);
          }
        }
      };

      const ask = async (signal) => {
        const response = await fetch("v1/chat/completions", {
          method: "POST",
          headers: { "content-type": "application/json" },
          signal,
          body: JSON.stringify({
            model: model.value,
            messages: turns,
            stream: true,
            stream_options: { include_usage: true },
            temperature: temperature.value === "" ? null : Number(temperature.value),
            max_tokens: limit.value === "" ? null : Number(limit.value),
          }),
        });
        if (response.ok) return response;
        const body = await response.json().catch(() => ({}));
        throw new Error(body.error?.message ?? \`The server answered \${response.status}\`);
      };

      const toNote = (count, timings, reason) => {
        const speed = timings?.predicted_per_second;
        return [
          \`\${count} token\${count === 1 ? "" : "s"}\`,
          typeof speed === "number" ? \`\${speed.toFixed(speed < 10 ? 1 : 0)} tokens/s\` : "",
          timings ? \`first after \${Math.round(timings.ttft_ms)} ms\` : "",
          reason === "length" ? "cut off at the limit" : "",
          reason === "stopped" ? "stopped" : "",
        ]
          .filter(Boolean)
          .join(" · ");
      };

      const answer = async () => {
        const article = add(log, "article", "assistant busy");
        const paragraph = add(article, "p", "");
        const note = add(article, "footer", "");
        const began = performance.now();
        let first = 0;
        let count = 0;
        let timings;
        let reason;
        let content = "";
        const conversation = turns;
        running = new AbortController();
        log.setAttribute("aria-busy", "true");
        send.hidden = true;
        stop.hidden = false;
        try {
          for await (const event of readEvents(await ask(running.signal))) {
            if (event.error) throw new Error(event.error.message);
            const [choice] = event.choices;
            const piece = choice?.delta?.content ?? "";
            reason = choice?.finish_reason ?? reason;
            if (event.usage) {
              count = event.usage.completion_tokens;
              timings = event.timings;
            }
            if (piece === "") continue;
            const nearEnd = main.scrollHeight - main.scrollTop - main.clientHeight < 80;
            first ||= performance.now();
            count++;
            content += piece;
            paragraph.textContent = content;
            const seconds = (performance.now() - first) / 1000;
            note.textContent = toNote(count, {
              ttft_ms: first - began,
              predicted_per_second: count > 4 ? (count - 1) / seconds : null,
            });
            if (nearEnd) main.scrollTop = main.scrollHeight;
          }
        } catch (error) {
          if (error.name === "AbortError") reason = "stopped";
          else add(article, "div", "wrong", error.message).setAttribute("role", "alert");
        } finally {
          running = undefined;
          note.textContent = count > 0 || reason ? toNote(count, timings, reason) : "";
          article.classList.remove("busy");
          log.setAttribute("aria-busy", "false");
          send.hidden = false;
          stop.hidden = true;
          main.scrollTop = main.scrollHeight;
          text.focus();
        }
        if (content === "") conversation.pop();
        else conversation.push({ role: "assistant", content });
      };

      form.addEventListener("submit", (event) => {
        event.preventDefault();
        const content = text.value.trim();
        if (content === "" || running || models.length === 0) return;
        text.value = "";
        turns.push({ role: "user", content });
        add(add(log, "article", "user"), "p", "", content);
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
        log.replaceChildren();
        text.focus();
      });
      model.addEventListener("change", describe);
      void load();
    </script>
  </body>
</html>
`;

/** Its Content-Security-Policy: its own script and style and nothing else. */
export const PAGE_CSP: string = `default-src 'none'; script-src 'sha256-RILnTZ6hYAgcr0mozD10bDt3G9GXZnXDGs7pc+5uIqw='; style-src 'sha256-oxXL+qQu3A9IMHZtBSDxaKXeqKcFkdgmGq218fvjtlY='; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
