// For node --test: the browser export puts its modules into one folder with the page's, so that they import each other
// as neighbours. A neighbour that is not there is looked for in the page's folder.

import { registerHooks } from "node:module";

const [EXPORTED, OF_THE_PAGE] = ["/exports/static/", "/web/static/"];

registerHooks({
  resolve(specifier, context, next) {
    try {
      return next(specifier, context);
    } catch (error) {
      const { href } = new URL(specifier, context.parentURL);
      if (!href.includes(EXPORTED)) throw error;
      return next(href.replace(EXPORTED, OF_THE_PAGE), context);
    }
  },
  load(url, context, next) {
    return next(url, url.includes("/static/") ? { ...context, format: "module" } : context); // src has no package.json
  },
});
