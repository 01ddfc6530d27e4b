// SPDX-License-Identifier: Apache-2.0
package dev.offmeter.internal.report;

/** The look of the page: light or dark as the reader's system is, and light on paper. */
final class Style {
  /** Colours that are told apart by those who see no red or no green, by Okabe and Ito. */
  static final String SHEET =
      """
      :root {
        --paper: #fff; --ink: #1a1d21; --faint: #5b636d; --rule: #d5dae0;
        --c0: #0072b2; --c1: #e69f00; --c2: #009e73; --c3: #cc79a7;
        --c4: #56b4e9; --c5: #d55e00; --c6: #b8ab1e; --c7: #8a929b;
      }
      @media screen and (prefers-color-scheme: dark) {
        :root {
          --paper: #15181c; --ink: #e8eaed; --faint: #a3abb5; --rule: #3a4149;
          --c0: #4aa3df; --c1: #f0b93a; --c2: #2fc698; --c3: #dd97bf;
          --c4: #8fd0f5; --c5: #f0854a; --c6: #e5d94c; --c7: #9aa2ab;
        }
      }
      * { box-sizing: border-box; }
      body {
        margin: 0; padding: 1rem; background: var(--paper); color: var(--ink);
        font: 1rem/1.45 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
      }
      main { max-width: 46rem; margin: 0 auto; }
      h1 { font-size: 1.6rem; margin: 0.5rem 0 0; }
      h2 { font-size: 1.15rem; margin: 0 0 0.5rem; overflow-wrap: anywhere; }
      h1 + p, small { color: var(--faint); }
      section { margin-top: 2rem; padding-top: 1rem; border-top: 1px solid var(--rule); }
      p { margin: 0.4rem 0; overflow-wrap: anywhere; }
      .figures { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); }
      .figures h2 { font-size: 0.85rem; font-weight: normal; color: var(--faint); margin: 0; }
      .figures strong { display: block; font-size: 1.35rem; }
      .figures small { display: block; line-height: 1.3; }
      .wide { overflow-x: auto; margin-top: 0.75rem; }
      table { border-collapse: collapse; min-width: 100%; font-size: 0.85rem; }
      th, td { text-align: left; padding: 0.25rem 0.75rem 0.25rem 0; vertical-align: top; min-width: 6.5rem; max-width: 18rem; overflow-wrap: anywhere; }
      th { font-weight: 600; color: var(--faint); border-bottom: 1px solid var(--rule); }
      .number { min-width: 0; text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
      td.number:last-child, th.number:last-child { padding-right: 0; }
      svg { display: block; width: 100%; height: auto; margin: 0.5rem 0; }
      text { font-size: 12px; fill: var(--faint); font-family: inherit; }
      .grid { stroke: var(--rule); stroke-width: 1; }
      .c0 { fill: var(--c0); } .c1 { fill: var(--c1); } .c2 { fill: var(--c2); } .c3 { fill: var(--c3); }
      .c4 { fill: var(--c4); } .c5 { fill: var(--c5); } .c6 { fill: var(--c6); } .c7 { fill: var(--c7); }
      .line { stroke-width: 2; stroke: var(--c0); }
      .untimed { stroke-dasharray: 8 4; }
      .power { stroke-dasharray: 2 4; }
      .baseline { stroke: var(--c5); stroke-width: 2.5; }
      .limit { stroke: var(--faint); stroke-dasharray: 1 3; }
      .meets { fill: var(--paper); stroke: var(--ink); stroke-width: 2; }
      .now { fill: var(--ink); }
      .legend { list-style: none; display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; margin: 0.25rem 0; padding: 0; font-size: 0.85rem; }
      .legend li { overflow-wrap: anywhere; }
      .key { display: inline-block; width: 1.5rem; height: 0.75rem; margin: 0; }
      .bars { display: grid; gap: 0.35rem; margin: 0.5rem 0; font-size: 0.85rem; overflow-wrap: anywhere; }
      .bars svg { height: 0.5rem; margin: 0; }
      @media screen and (max-width: 30rem) { text { font-size: 14px; } }
      @media print {
        body { padding: 0; font-size: 10pt; }
        section { break-inside: avoid; }
        .wide { overflow: visible; }
        table { font-size: 8pt; }
        rect, circle, line { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
      }
      """;

  private Style() {}
}
