/** What a host page includes as one classic script: it defines `<usage-feed>` and exports nothing. */
import './element';
