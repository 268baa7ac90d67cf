// Starts the page on this server. The export for browsers brings another file of this name, with a model of its own.

import { start } from "./page.js";
import { rest } from "./rest_backend.js";
import { askToken } from "./token.js";

start(rest({ askToken }));
