// Starts the page with a model that runs in this browser; what `pawsight serve` has under this name asks its server.

import { inBrowser } from "./browser_backend.js";
import { start } from "./page.js";

start(inBrowser());
