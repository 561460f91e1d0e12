"""What surrounds the one table on an ECU's page: of the same structure as the real pages."""

from __future__ import annotations

__all__ = ["CGI_FOOT", "CGI_HEAD", "HOME_CLOCK", "NOT_FOUND", "SERVICE_MODE", "php_page"]

CGI_HEAD = (
    "<html><head><meta http-equiv=pragma content=no-cache><meta http-equiv=expire content=now>"
    "<title></title></head><body bgcolor=ffffff text=black><br><br><table align=center border=1 "
    "cellpadding=0 cellspacing=0 bordercolor=#008000 bordercolorlight=#ffffff borderdark=#808000 "
    "width=1024>"
)
"""The CGI generation writes no line break at all."""

CGI_FOOT = (
    "</table><br><br><hr></hr><center><tr><td>&copy2013 Simulated Power System Inc.</td></tr>"
    "</center></body></html>"
)
"""With a row outside any table, and an entity without its semicolon."""

_PAGE = """\
<!DOCTYPE html>
<html>
  <head>
    <meta charset="utf-8">
    <!-- 模拟器 -->
    <meta http-equiv="X-UA-Compatible" content="IE=edge">
    <meta name="viewport" content="width=device-width, initial-scale=1">   

    <title>Altenergy Power Control Software</title>
    <link href="@ORIGIN@/resources/css/ecu-style.css" rel="stylesheet">
    <!--[if lt IE 8]>
      <link href="@ORIGIN@/resources/css/bootstrap-ie7.css" rel="stylesheet">
    <![endif]-->
    <script src="@ORIGIN@/resources/js/jquery-1.8.2.min.js"></script>
  </head>

  <body>
    <header>
      <div class="navbar navbar-default navbar-top">
        <div class="container">
          <div class="navbar-collapse collapse" id="navbar-header">
            <ul class="nav navbar-nav navbar-title">
              <li><a id="ecu_title">ENERGY COMMUNICATION UNIT</a></li>
            </ul>
            <ul class="nav navbar-nav navbar-right">
              <a class="btn chlang" id="english" >English</a>|
              <a class="btn chlang" id="chinese" >Chinese</a>
            </ul>
          </div>
        </div>
      </div>     
    </header><!-- 菜单 -->
<nav>
    <p class="navbar-menu-title">@TITLE@</p>     
    <ul class="nav navbar-nav ">
        <li><a href="@ORIGIN@/index.php/home">Home</a></li>
        <li><a href="@ORIGIN@/index.php/realtimedata">Real Time Data</a><span> </span></li>
      <!-- 
        <li><a href="@ORIGIN@/index.php/meter/meter_power_graph">Meter</a><span> </span></li>
      --> 
    </ul>
</nav>
        
<section>
    <div class="container container-main">
        <aside class="col-md-3 col-md-push-9">
            <div class="list-group">
                  @ASIDE@
              \t\t\t   
            </div>
        </aside>
        <!-- 正文 -->
        <article class="col-md-9 col-md-pull-3">
            <div class="panel panel-default">
                <div class="panel-heading">
                    @TITLE@                    <@BUTTONS@ class="btn-group pull-right visible-xs">
                        <button type="button">More <span class="caret"></span></button>
                        <ul class="dropdown-menu" role="menu">
                           <a href="@ORIGIN@/index.php/realtimedata">Real Time Data</a>
                        </ul>
                    </div>
                </div>
                <div class="panel-body">@CONTENT@            </div>
          </div>
    \t</article>
      </div>
    </section>
    <footer class="footer">&copy; 2015 Simulated Power System Inc.</footer>
    <script>
        /* 刷新 */
        function myrefresh() {
            window.location.reload();
        }
        setTimeout('myrefresh()',300000); 
    </script>
    </body>
</html>"""  # noqa: W291, W293  # the real pages end lines so

SERVICE_MODE = """
<div class="alert alert-success" id="result"></div>
<div class="btn-group col-sm-12" >
\t
\t\t<button title="Note: when in service mode, a sweep comes at once. It ends after 30 minutes."
class=" btn btn-primary" type="button" onclick="change_polling(1)" >Normal Mode</button>\t\t\t
\t
</div>
<br>
<div id="note" hidden="hidden">Note: when in service mode, a sweep comes at once. It ends after
30 minutes.</div>

"""
"""Stands above the table on later firmware."""

HOME_CLOCK = """
<script>
var weekday_en = new Array(7);
    weekday_en[0]="Sunday";
var today = new Date();
    today.setFullYear(@YEAR@\v);
    today.setMonth(@MONTH@);
    today.setDate(@DAY@\v); 
    today.setHours(@HOUR@\v);
    today.setMinutes(@MINUTE@\v);
    today.setSeconds(@SECOND@\v);
var timestamp =  today.getTime();
function showTime() {
    var year, month;
    year = today.getFullYear();
    month = today.getMonth() + 1; 
    if (month < 10) { month = "0" + month;}
    $('#ecu_time').html(year + "-" + month);
}
</script>
"""  # noqa: W291  # as on the real page
"""The ECU's own clock. Months count from 0; a vertical tab stands for the LF a shell has added."""

NOT_FOUND = b"""\
<!DOCTYPE html>
<html lang="en">
<head>
<title>404 Page Not Found</title>
</head>
<body>
\t<div id="container">
\t\t<h1>404 Page Not Found</h1>
\t\t<p>The page you requested was not found.</p>\t</div>
</body>
</html>"""


def php_page(*, origin: str, title: str, aside: str, typo: bool, content: str) -> bytes:
    """Frame the content of a page, with CRLF but for the bare LFs that vertical tabs stand for.

    `typo`: a group of buttons is opened as the unknown tag ``<d>`` and closed as a ``<div>``.
    """
    values = {
        "@CONTENT@": content,
        "@ORIGIN@": origin,
        "@TITLE@": title,
        "@ASIDE@": aside,
        "@BUTTONS@": "d" if typo else "div",
    }
    page = _PAGE
    for mark, value in values.items():
        page = page.replace(mark, value)
    return page.replace("\n", "\r\n").replace("\v", "\n").encode()
