import { defineConfig, type Plugin, type UserConfig } from 'vite';

/** GraphiQL's style sheet carries 34 web fonts as data: URLs (about 590 kB). The system's fonts do. */
const dropInlineFonts: Plugin = {
  name: 'drop-inline-fonts',
  enforce: 'pre',
  transform(code, id) {
    if (!/\.css($|\?)/.test(id)) return null;
    return { code: code.replace(/@font-face\s*\{[^}]*data:font\/woff2?[^}]*\}/g, ''), map: null };
  },
};

/** "use client", which GraphiQL's libraries carry, means nothing in a bundle; how long a plugin took says nothing of it. */
const HARMLESS = new Set(['MODULE_LEVEL_DIRECTIVE', 'PLUGIN_TIMINGS', 'BUNDLER_TIMINGS']);

/** Any other warning is an error. */
function onwarn(warning: { code?: string; message: string }): void {
  if (!HARMLESS.has(warning.code ?? '')) throw new Error(warning.message);
}

const page = (name: string): UserConfig => ({
  build: { rollupOptions: { input: `${name}.html`, onwarn }, chunkSizeWarningLimit: 5_000 },
});

/** Every visitor pays for these bytes: Preact's own call, and the minifier that takes longer. */
const minify = {
  minify: 'terser' as const,
  terserOptions: { ecma: 2020 as const, toplevel: true, compress: { passes: 3 } },
};
const preact: UserConfig = {
  build: minify,
  oxc: {
    jsx: { runtime: 'classic', pragma: 'h', pragmaFrag: 'Fragment' },
    jsxInject: "import { h, Fragment } from 'preact'",
  },
};

const builds: Record<string, UserConfig> = {
  graphiql: { ...page('graphiql'), plugins: [dropInlineFonts] },
  usage: { ...preact, build: { ...page('usage').build, ...minify } },
  // The example of a React host: two libraries, each with its own JSX. `--outDir` says where to.
  'example-react': { root: 'examples/react', base: './' },
  // The element alone, one classic script under a name that stays: what a host page includes.
  element: {
    ...preact,
    publicDir: false,
    build: {
      ...minify,
      lib: {
        entry: 'src/usage/script.ts',
        formats: ['iife'],
        name: 'UsageFeed',
        fileName: () => 'usage-feed.js',
      },
    },
  },
};

export default defineConfig(({ mode }) => {
  const build = builds[mode] ?? {};
  return {
    base: '/',
    worker: { format: 'es' },
    define: { 'process.env.NODE_ENV': '"production"' },
    ...build,
    build: {
      target: 'es2022',
      cssTarget: ['chrome123', 'firefox121', 'safari17.5'],
      emptyOutDir: false,
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      reportCompressedSize: false,
      ...build.build,
    },
  };
});
