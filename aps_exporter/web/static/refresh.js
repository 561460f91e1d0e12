// Where the modules don't keep the page current it is fetched anew. They need a browser of 2022;
// this one is no module, and written so that a tablet of 2012 can read it.

(function () {
  "use strict";

  var script = document.querySelector("script[data-refresh]");
  var page = location.protocol + "//" + location.host + location.pathname + location.search;

  // Asks first: a browser's own page of errors would be the end of a tablet on a wall.
  function refresh() {
    if (document.documentElement.getAttribute("data-current") || document.hidden) return;
    var request = new XMLHttpRequest();
    request.onload = function () {
      if (request.status === 200) location.reload();
    };
    request.open("HEAD", page);
    request.send();
  }

  setInterval(refresh, script.getAttribute("data-refresh") * 1000);
}());
